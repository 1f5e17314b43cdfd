type Stat = Readonly<Record<string, unknown>>

/**
 * Bytes that have come over a transport, from a browser's report (W3C webrtc-stats): everything in browsers that count
 * for the transport, else the media alone.
 */
export function bytesOver(stats: Iterable<Stat>): number {
  let media = 0
  let all: number | null = null
  for (const { type, bytesReceived } of stats) {
    if (typeof bytesReceived !== 'number') continue
    if (type === 'transport') all = (all ?? 0) + bytesReceived
    else if (type === 'inbound-rtp') media += bytesReceived
  }
  return all ?? media
}

/** Bytes that were sent and that have come over a transport, from a browser's report. */
export function bytesBothWays(stats: Iterable<Stat>): { readonly sent: number; readonly arrived: number } {
  const all = [...stats]
  let sent = 0
  for (const { type, bytesSent } of all)
    if (type === 'outbound-rtp' && typeof bytesSent === 'number') sent += bytesSent
  return { sent, arrived: bytesOver(all) }
}
