import 'reflect-metadata'
import { createHash } from 'node:crypto'
import { Pkcs10CertificateRequest, type PublicKey } from '@peculiar/x509'
import { CodedError } from '../../common/errors.ts'

/** Longest PEM text, characters. A request for an EC key has some 500. */
const MAX_CSR_LENGTH = 8192
const PEM =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----\r?\n[A-Za-z0-9+/=\r\n]+-----END (NEW )?CERTIFICATE REQUEST-----\s*$/

/** The only thing that the hub takes from a CSR: a key whose owner has proven to hold the private key. */
export interface RequestedKey {
  readonly publicKey: PublicKey
  /** SHA-256 of the SubjectPublicKeyInfo, base64url. */
  readonly keyHash: string
}

/**
 * Reads a PKCS#10 request (RFC 2986) in PEM. Requested names and extensions are ignored: the hub decides the content of
 * a certificate.
 * @throws CodedError `csr_invalid`, `csr_key` (400)
 */
export async function readCertificateRequest(pem: string): Promise<RequestedKey> {
  if (pem.length > MAX_CSR_LENGTH || !PEM.test(pem)) throw invalid('it is not one PEM CERTIFICATE REQUEST')
  const request = parse(pem)
  const { publicKey } = request
  // Before the signature is checked, so that huge keys take no time.
  refuseOtherKeys(publicKey)
  if (!(await signatureIsRight(request))) throw invalid('its signature is not by the key in it')
  return {
    publicKey,
    keyHash: createHash('sha256').update(new Uint8Array(publicKey.rawData)).digest('base64url'),
  }
}

function parse(pem: string): Pkcs10CertificateRequest {
  try {
    const request = new Pkcs10CertificateRequest(pem)
    // The library parses the algorithm only here.
    request.publicKey.algorithm
    return request
  } catch {
    throw invalid('it is not a PKCS#10 request')
  }
}

function refuseOtherKeys({ algorithm }: PublicKey): void {
  if (algorithm.name === 'Ed25519') return
  if (algorithm.name === 'ECDSA' && 'namedCurve' in algorithm && algorithm.namedCurve === 'P-256') return
  throw new CodedError('csr_key', 'the hub does not take a key of this kind', {
    details: ['taken: EC on P-256 (prime256v1), Ed25519'],
  })
}

async function signatureIsRight(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify()
  } catch {
    return false
  }
}

function invalid(why: string): CodedError {
  return new CodedError('csr_invalid', `the certificate request can't be used: ${why}`)
}
