import { isIPv6 } from 'node:net'

/** Where one TURN server listens; null where it does not. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  /** Of HTTPS, where that port speaks TURN, too. */
  readonly https?: number | null
}

/**
 * URLs of a TURN server in the order to try: UDP costs least, and TLS goes through where nothing else does; RFC 7065.
 * @param secureHost a name in the certificate
 */
export function turnUrls(
  host: string,
  { udp, tcp, tls, https = null }: TurnPorts,
  secureHost = host,
): string[] {
  const [at, secure] = [host, secureHost].map((each) => (isIPv6(each) ? `[${each}]` : each))
  return [
    ...(udp === null ? [] : [`turn:${at}:${udp}?transport=udp`]),
    ...(tcp === null ? [] : [`turn:${at}:${tcp}?transport=tcp`]),
    ...(tls === null ? [] : [`turns:${secure}:${tls}?transport=tcp`]),
    ...(https === null ? [] : [`turns:${secure}:${https}?transport=tcp`]),
  ]
}
