import { getCACertificates, setDefaultCACertificates } from 'node:tls'

/**
 * Makes all TLS in this process trust the hub's own CAs beside those of the system: TURN over TLS takes its trust
 * from there.
 * @param authorities PEM
 */
export function trustAuthorities(authorities: readonly string[]): void {
  setDefaultCACertificates([...new Set([...getCACertificates('default'), ...authorities])])
}
