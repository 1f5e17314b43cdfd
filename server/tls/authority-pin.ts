import { createHash, X509Certificate } from 'node:crypto'
import type { Identity } from './server-identity.ts'

/**
 * What a machine that enrols pins: SHA-256 of the DER of the hub's own CA that signed what the listener shows, base64url.
 * null where no CA of the hub's did: then the machine's system must trust the certificate.
 * @param trusted the hub's own CAs, PEM
 */
export function authorityPin(
  shown: Pick<Identity, 'certificate'> | null,
  trusted: readonly string[],
): string | null {
  if (!shown) return null
  const leaf = new X509Certificate(shown.certificate)
  const authority = trusted
    .map((pem) => new X509Certificate(pem))
    .find((each) => leaf.checkIssued(each) && leaf.verify(each.publicKey))
  return authority ? createHash('sha256').update(authority.raw).digest('base64url') : null
}
