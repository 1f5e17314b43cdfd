import type { Chromium, WatchedPage } from './chromium.ts'

/** Opens a page. Browsers race through all URLs of a relay: this one gets only those of a protocol. */
export async function openOverRelay(
  chromium: Chromium,
  url: string,
  protocol: 'udp' | 'tcp' | 'tls' | 'https',
): Promise<WatchedPage> {
  const watched = await chromium.open('about:blank')
  await watched.page.addInitScript((wanted) => {
    const protocolOf = (url: string) => {
      if (url.startsWith('turns:')) return url.includes(`:${location.port}?`) ? 'https' : 'tls'
      return /=tcp$/.test(url) ? 'tcp' : 'udp'
    }
    const Native = globalThis.RTCPeerConnection
    globalThis.RTCPeerConnection = class extends Native {
      constructor(configuration: RTCConfiguration = {}) {
        const iceServers = (configuration.iceServers ?? []).map((server) => ({
          ...server,
          urls: [server.urls].flat().filter((url) => protocolOf(url) === wanted),
        }))
        super({ ...configuration, iceServers })
      }
    }
  }, protocol)
  await watched.page.goto(url)
  return watched
}
