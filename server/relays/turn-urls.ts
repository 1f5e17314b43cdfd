import { isIPv6 } from 'node:net'

/** Where one TURN server listens; null where it does not. */
export interface TurnPorts {
  readonly udp: number | null
  readonly tcp: number | null
  readonly tls: number | null
  /** Of HTTPS, where that port speaks TURN, too. */
  readonly https?: number | null
}

/** URLs of a TURN server in the order to try: UDP costs least, and TLS goes through where nothing else does; RFC 7065. */
export function turnUrls(host: string, { udp, tcp, tls, https = null }: TurnPorts): string[] {
  const at = isIPv6(host) ? `[${host}]` : host
  return [
    ...(udp === null ? [] : [`turn:${at}:${udp}?transport=udp`]),
    ...(tcp === null ? [] : [`turn:${at}:${tcp}?transport=tcp`]),
    ...(tls === null ? [] : [`turns:${at}:${tls}?transport=tcp`]),
    ...(https === null ? [] : [`turns:${at}:${https}?transport=tcp`]),
  ]
}
