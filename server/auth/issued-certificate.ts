import 'reflect-metadata'
import { createHash, randomBytes } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  type PublicKeyType,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { type KeyPair, SIGNING_ALGORITHM } from './authority-keys.ts'

/** The clock of a node may be this far behind the hub's, ms. */
const BACKDATE_MS = 300_000

export interface IssuedCertificate {
  /** PEM. */
  readonly pem: string
  /** 32 hex digits, lower case. */
  readonly serial: string
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string
  /** Id of the CA that signed the certificate. */
  readonly ca_id: string
  /** Unix milliseconds. */
  readonly not_before: number
  readonly not_after: number
}

export interface CertificateRequest {
  readonly commonName: string
  readonly names: JsonGeneralNames
  readonly usage: 'client' | 'server'
  readonly publicKey: PublicKeyType
  /** Unix milliseconds; never later than the end of the CA. */
  readonly notAfter: number
}

export interface Signer {
  readonly certificate: X509Certificate
  readonly key: CryptoKey
}

/** @param pem of the CA's certificate */
export function signerOf(pem: string, key: CryptoKey): Signer {
  return { certificate: new X509Certificate(pem), key }
}

/** 126 random bits, positive and always of the same length (RFC 5280 section 4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

/** A certificate for an end of a connection, never a CA. RFC 5280 section 4.2. */
export async function signLeaf(
  signer: Signer,
  request: CertificateRequest,
  now: number,
): Promise<X509Certificate> {
  const notAfter = Math.min(request.notAfter, signer.certificate.notAfter.getTime())
  const { clientAuth, serverAuth } = ExtendedKeyUsage
  return await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [request.commonName] }],
    issuer: signer.certificate.subjectName,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(notAfter),
    publicKey: request.publicKey,
    signingKey: signer.key,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([request.usage === 'client' ? clientAuth : serverAuth]),
      new SubjectAlternativeNameExtension(request.names),
      await SubjectKeyIdentifierExtension.create(request.publicKey),
      await AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
    ],
  })
}

/** A CA's certificate, signed by itself or by the previous CA (`signer`), for clients that trust the previous CA. */
export async function signAuthority(
  name: string,
  keys: KeyPair,
  notAfter: number,
  now: number,
  signer?: Signer,
): Promise<X509Certificate> {
  const issuerKey = signer?.certificate.publicKey ?? keys.publicKey
  return await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [name] }],
    issuer: signer?.certificate.subjectName ?? [{ CN: [name] }],
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(notAfter),
    publicKey: keys.publicKey,
    signingKey: signer?.key ?? keys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuerKey),
    ],
  })
}

export function issuedCertificate(certificate: X509Certificate, caId: string): IssuedCertificate {
  return {
    pem: `${certificate.toString('pem')}\n`,
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: createHash('sha256').update(new Uint8Array(certificate.rawData)).digest('hex'),
    ca_id: caId,
    not_before: certificate.notBefore.getTime(),
    not_after: certificate.notAfter.getTime(),
  }
}
