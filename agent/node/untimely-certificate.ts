import type { X509Certificate } from 'node:crypto'

/** What OpenSSL says of a certificate whose time is not now. */
const UNTIMELY = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED'])

/** `serverAuth` among extended key usages, RFC 5280 section 4.2.1.12: a node's certificate is no hub's. */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

export interface Untimely {
  /** The name of OpenSSL's error. */
  readonly problem: string
  readonly certificate: X509Certificate
  /** CAs that this node pinned. */
  readonly pinned: readonly X509Certificate[]
  /** The hub's clock was past this when the node last knew, Unix ms. */
  readonly knownSince: number
}

/**
 * Whether a hub's certificate is good but for this machine's clock, which may be wrong by years: a pinned CA signed it,
 * and it is valid at some time after the node last knew the hub's time. Whoever has the key of a certificate that expired
 * before that gains nothing. The name is checked elsewhere.
 */
export function isGoodButForTime({ problem, certificate, pinned, knownSince }: Untimely): boolean {
  if (!UNTIMELY.has(problem) || certificate.ca) return false
  if (!certificate.keyUsage?.includes(SERVER_AUTH)) return false
  if (Date.parse(certificate.validTo) < knownSince) return false
  // OpenSSL tells one problem of a chain, and an untimely certificate hides an unknown signer.
  return pinned.some(
    (authority) =>
      authority.ca &&
      Date.parse(authority.validTo) >= knownSince &&
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey),
  )
}
