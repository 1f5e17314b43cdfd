import type { Page } from 'playwright-core'

/** What a page's browser had received at one moment. */
export interface Reception {
  /** `performance.timeOrigin` + `performance.now()`, ms. */
  readonly at: number
  /** Lines of the picture that was decoded last; 0 before the first. */
  readonly height: number
  /** RTP bytes of media, without bytes that only probe the path. */
  readonly bytes: number
  /** W3C webrtc-stats `totalFreezesDuration`, ms. */
  readonly freezesMs: number
}

/**
 * Sends the page's media by this UDP port, whatever the hub's candidates say, and collects what it receives. `tcp`
 * leaves the hub's own TCP port as another way. It is read every `everyMs`.
 */
export async function receiveBy(
  page: Page,
  port: number,
  { tcp = false, everyMs = 100 } = {},
): Promise<void> {
  await page.addInitScript(observe, { port, tcp, everyMs })
}

/** What was received since the last call, oldest first. */
export async function takeReceptions(page: Page): Promise<Reception[]> {
  return page.evaluate(() => (globalThis as unknown as { receptions: Reception[] }).receptions.splice(0))
}

/** In the page. */
function observe({ port, tcp, everyMs }: { port: number; tcp: boolean; everyMs: number }): void {
  const receptions: Reception[] = []
  Object.assign(globalThis, { receptions })
  const connections: RTCPeerConnection[] = []
  const original = RTCPeerConnection.prototype.setRemoteDescription
  RTCPeerConnection.prototype.setRemoteDescription = function (this: RTCPeerConnection, description) {
    if (!connections.includes(this)) connections.push(this)
    const sdp = description?.sdp?.replace(/^(a=candidate:\S+ 1 udp \d+) \S+ \d+ /gm, `$1 127.0.0.1 ${port} `)
    const ways = tcp ? sdp : sdp?.replace(/^a=candidate:\S+ 1 tcp .*\r\n/gm, '')
    return Reflect.apply(original, this, [{ ...description, sdp: ways }])
  }
  setInterval(async () => {
    const connection = connections.findLast(({ connectionState }) => connectionState === 'connected')
    if (!connection) return
    const reception = { at: performance.timeOrigin + performance.now(), height: 0, bytes: 0, freezesMs: 0 }
    for (const stat of (await connection.getStats()).values()) {
      if (stat.type !== 'inbound-rtp' || (stat.kind === 'video' && !stat.framesDecoded)) continue
      reception.bytes += stat.bytesReceived + stat.headerBytesReceived
      reception.height = Math.max(reception.height, stat.frameHeight ?? 0)
      reception.freezesMs += (stat.totalFreezesDuration ?? 0) * 1000
    }
    receptions.push(reception)
  }, everyMs)
}
