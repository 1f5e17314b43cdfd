import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** A client's certificate. The TLS handshake has proven that the client holds the key. */
export interface PresentedCertificate {
  /** Lower-case hex. */
  readonly serial: string
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string
  /** Whether the chain ended at a CA that this hub trusted when the connection began. */
  readonly trusted: boolean
}

const seen = new WeakMap<TLSSocket, PresentedCertificate | null>()

/** null for a connection without TLS, or without a certificate. */
export function presentedCertificate(socket: Socket): PresentedCertificate | null {
  if (!(socket instanceof TLSSocket)) return null
  const known = seen.get(socket)
  if (known !== undefined) return known
  const certificate = socket.getPeerX509Certificate()
  const presented = certificate ? describe(certificate, socket.authorized) : null
  seen.set(socket, presented)
  return presented
}

function describe(certificate: X509Certificate, trusted: boolean): PresentedCertificate {
  return {
    serial: certificate.serialNumber.toLowerCase(),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    trusted,
  }
}
