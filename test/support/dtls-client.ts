import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import koffi from 'koffi'

/**
 * The client's side of DTLS handshakes by the system's OpenSSL, for peers that take as little of a bench as a browser's
 * handshake does. Only the handshake: what follows is SRTP, whose headers are in the clear (RFC 3711 section 3.1).
 */

type Pointer = bigint

const SRTP_PROFILES = 'SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80'
const EVP_PKEY_EC = 408
const SSL_CTRL_SET_MTU = 17
const SSL_OP_NO_QUERY_MTU = 0x1000
const MTU = 1200

function bind() {
  // Deep, because Node exports another OpenSSL of its own.
  const ssl = koffi.load('libssl.so.3', { deep: true })
  const crypto = koffi.load('libcrypto.so.3', { deep: true })
  return {
    method: ssl.func('void *DTLS_client_method(void)'),
    contextNew: ssl.func('void *SSL_CTX_new(void *method)'),
    useCertificate: ssl.func('int SSL_CTX_use_certificate_ASN1(void *ctx, int length, const uint8_t *der)'),
    useKey: ssl.func('int SSL_CTX_use_PrivateKey_ASN1(int type, void *ctx, const uint8_t *der, long length)'),
    useSrtp: ssl.func('int SSL_CTX_set_tlsext_use_srtp(void *ctx, const char *profiles)'),
    setOptions: ssl.func('uint64_t SSL_CTX_set_options(void *ctx, uint64_t options)'),
    sslNew: ssl.func('void *SSL_new(void *ctx)'),
    sslFree: ssl.func('void SSL_free(void *ssl)'),
    sslControl: ssl.func('long SSL_ctrl(void *ssl, int command, long value, void *pointer)'),
    setConnect: ssl.func('void SSL_set_connect_state(void *ssl)'),
    setBio: ssl.func('void SSL_set_bio(void *ssl, void *from, void *to)'),
    handshake: ssl.func('int SSL_do_handshake(void *ssl)'),
    exportKeys: ssl.func(
      'int SSL_export_keying_material(void *ssl, _Out_ uint8_t *out, size_t length, const char *label, size_t labelLength, void *context, size_t contextLength, int useContext)',
    ),
    bioNew: crypto.func('void *BIO_new(void *type)'),
    bioMemory: crypto.func('void *BIO_s_mem(void)'),
    bioWrite: crypto.func('int BIO_write(void *bio, const uint8_t *data, int length)'),
    bioRead: crypto.func('int BIO_read(void *bio, _Out_ uint8_t *data, int length)'),
  }
}

/** The certificate that all peers show, and the context from which they are made. */
export class DtlsClients {
  /** SHA-256 of the certificate, as `a=fingerprint` writes it. */
  readonly fingerprint: string
  readonly #openssl = bind()
  readonly #context: Pointer

  static async make(): Promise<DtlsClients> {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=light viewer',
      keys,
      signingAlgorithm: algorithm,
    })
    const key = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
    return new DtlsClients(Buffer.from(certificate.rawData), Buffer.from(key))
  }

  private constructor(certificate: Buffer, key: Buffer) {
    const openssl = this.#openssl
    this.fingerprint = new X509Certificate(certificate).fingerprint256
    this.#context = openssl.contextNew(openssl.method())
    const taken =
      openssl.useCertificate(this.#context, certificate.length, certificate) === 1 &&
      openssl.useKey(EVP_PKEY_EC, this.#context, key, key.length) === 1 &&
      openssl.useSrtp(this.#context, SRTP_PROFILES) === 0
    if (!taken) throw new Error('OpenSSL does not take the certificate')
    openssl.setOptions(this.#context, SSL_OP_NO_QUERY_MTU)
  }

  /** Begins a handshake. `send` gets the datagrams to send. */
  connect(send: (datagram: Buffer) => void): DtlsHandshake {
    return new DtlsHandshake(this.#openssl, this.#context, send)
  }
}

export class DtlsHandshake implements Disposable {
  readonly #openssl: ReturnType<typeof bind>
  readonly #ssl: Pointer
  readonly #incoming: Pointer
  readonly #outgoing: Pointer
  readonly #send: (datagram: Buffer) => void
  readonly #out = Buffer.alloc(8192)
  /** Both sides have their keys. */
  done = false

  constructor(openssl: ReturnType<typeof bind>, context: Pointer, send: (datagram: Buffer) => void) {
    this.#openssl = openssl
    this.#send = send
    this.#ssl = openssl.sslNew(context)
    this.#incoming = openssl.bioNew(openssl.bioMemory())
    this.#outgoing = openssl.bioNew(openssl.bioMemory())
    openssl.setBio(this.#ssl, this.#incoming, this.#outgoing)
    openssl.sslControl(this.#ssl, SSL_CTRL_SET_MTU, MTU, null)
    openssl.setConnect(this.#ssl)
    this.#step()
  }

  receive(datagram: Buffer): void {
    if (this.done) return
    this.#openssl.bioWrite(this.#incoming, datagram, datagram.length)
    this.#step()
  }

  /**
   * Of a handshake that is done, the keying material for SRTP (RFC 5764 section 4.2).
   * @throws where there is none yet
   */
  srtpKeys(bytes: number): Buffer {
    const keys = Buffer.alloc(bytes)
    const label = 'EXTRACTOR-dtls_srtp'
    const args = [this.#ssl, keys, bytes, label, label.length, null, 0, 0] as const
    if (this.#openssl.exportKeys(...args) !== 1) throw new Error('the handshake is not done: it has no keys')
    return keys
  }

  [Symbol.dispose](): void {
    this.#openssl.sslFree(this.#ssl)
  }

  #step(): void {
    this.done = this.#openssl.handshake(this.#ssl) === 1
    const length: number = this.#openssl.bioRead(this.#outgoing, this.#out, this.#out.length)
    if (length > 0) for (const flight of datagramsOf(this.#out.subarray(0, length))) this.#send(flight)
  }
}

/** Puts whole DTLS records (RFC 6347 section 4.1: 13 bytes of header, the length last) into datagrams. */
function datagramsOf(records: Buffer): Buffer[] {
  const datagrams: Buffer[] = []
  let from = 0
  for (let at = 0; at + 13 <= records.length; ) {
    const next = at + 13 + records.readUInt16BE(at + 11)
    if (next - from > MTU && at > from) {
      datagrams.push(Buffer.from(records.subarray(from, at)))
      from = at
    }
    at = next
  }
  datagrams.push(Buffer.from(records.subarray(from)))
  return datagrams
}
