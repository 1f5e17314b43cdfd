import { createHash, type X509Certificate } from 'node:crypto'
import { CodedError } from '../../common/errors.ts'
import { connectUnjudged } from './hub-connection.ts'

/** Certificates that are looked at: a hub sends its own, its CA's, and perhaps the CA before. */
const MAX_CHAIN = 8

/**
 * Asks the hub for the CA that an enrolment token pins.
 * @param pin SHA-256 of the DER of the CA's certificate, base64url
 * @returns PEM
 * @throws CodedError `hub_untrusted` where the hub has no such CA; or the error of the connection
 */
export async function pinnedAuthority(url: URL, pin: string, signal: AbortSignal): Promise<string> {
  const socket = await connectUnjudged(url, { authorities: [] }, signal)
  const found = chainOf(socket.getPeerX509Certificate()).find(
    ({ ca, raw }) => ca && createHash('sha256').update(raw).digest('base64url') === pin,
  )
  socket.destroy()
  if (found) return found.toString()
  throw new CodedError('hub_untrusted', `${url.host} is not the hub of this token`, {
    details: ['check the address', 'a hub whose CA was replaced needs a new token'],
  })
}

function chainOf(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let next = leaf; next !== undefined && chain.length < MAX_CHAIN; next = next.issuerCertificate) {
    // A root is its own issuer.
    if (chain.at(-1)?.fingerprint256 === next.fingerprint256) break
    chain.push(next)
  }
  return chain
}
