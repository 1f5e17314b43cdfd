import type { Page } from 'playwright-core'

/*
 * A page's own RTCPeerConnection at the WebSocket door, with nothing between it and docs/protocol.md: no SDK, no
 * mediasoup-client. These functions are everything that runs in the page.
 */

// biome-ignore lint/suspicious/noExplicitAny: what the hub says is taken as it comes; the test would fail
type Loose = any

interface BareDoor {
  readonly welcome: Loose
  request(method: string, data: object): Promise<Loose>
  /** What SDP says of the hub's transport. */
  transportLines(transport: Loose): string[]
  /** Of the relays that the hub named, the URLs with this in them. */
  relaysWith(iceServers: Loose, part: string | undefined): RTCIceServer[]
}

/** What a page has made, for what its network does later. */
export interface BareMedia {
  readonly peer: RTCPeerConnection
  readonly transportId: string
  /** The description of the hub's end. */
  readonly remote: { readonly type: 'offer' | 'answer'; readonly sdp: string }
  /** What another WebSocket takes this one's place with: method and data. */
  readonly takeOver: readonly [method: string, data: object]
  request: BareDoor['request']
}

/**
 * Publishes the fake camera and microphone. Resolves when ICE and DTLS are up.
 * @param relay part of the relays' URLs that may be used besides; none by default
 */
export function publishBare(page: Page, door: string, ticket: string, relay?: string): Promise<string> {
  return page.evaluate(
    async ({ door, ticket, relay }) => {
      const { request, transportLines, relaysWith } = await globalThis.bareDoor(door)
      const identity = { ticket, publisher_id: crypto.randomUUID() }
      const { transport, contract } = await request('publish', identity)
      const peer = new RTCPeerConnection({ iceServers: relaysWith(contract.join.ice_servers, relay) })
      const camera = await navigator.mediaDevices.getUserMedia({ video: { height: 360 }, audio: true })
      for (const track of camera.getTracks()) {
        const sender = peer.addTransceiver(track, { direction: 'sendonly' })
        const codecs = RTCRtpSender.getCapabilities(track.kind)?.codecs ?? []
        sender.setCodecPreferences(codecs.filter(({ mimeType }) => /VP8|opus/i.test(mimeType)))
      }
      await peer.setLocalDescription()
      const [head = '', ...sections] = (peer.localDescription?.sdp ?? '').split(/(?=^m=)/m)
      const find = (text: string, pattern: RegExp) => pattern.exec(text)?.[1] ?? ''
      const answer = [
        'v=0',
        'o=- 1 1 IN IP4 127.0.0.1',
        's=-',
        't=0 0',
        'a=ice-lite',
        find(head, /^(a=group:.*)$/m).trim(),
      ]
      const produced: [kind: string, parameters: object][] = []
      for (const section of sections) {
        const kind = find(section, /^m=(\w+)/)
        const mid = find(section, /^a=mid:(\S+)/m)
        const payloadType = find(section, /^m=\w+ \d+ \S+ (\d+)/)
        const codec = kind === 'video' ? 'VP8/90000' : 'opus/48000/2'
        const feedback = kind === 'video' ? ['nack', 'nack pli'] : []
        answer.push(`m=${kind} 7 UDP/TLS/RTP/SAVPF ${payloadType}`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`)
        answer.push('a=recvonly', 'a=rtcp-mux', ...transportLines(transport), 'a=setup:passive')
        answer.push(
          `a=rtpmap:${payloadType} ${codec}`,
          ...feedback.map((each) => `a=rtcp-fb:${payloadType} ${each}`),
        )
        const [name, clockRate, channels] = codec.split('/')
        produced.push([
          kind,
          {
            mid,
            codecs: [
              {
                mimeType: `${kind}/${name}`,
                payloadType: Number(payloadType),
                clockRate: Number(clockRate),
                ...(channels && { channels: Number(channels) }),
                rtcpFeedback: feedback.map((each) => {
                  const [type, parameter] = each.split(' ')
                  return { type, ...(parameter && { parameter }) }
                }),
              },
            ],
            encodings: [{ ssrc: Number(find(section, /^a=ssrc:(\d+)/m)) }],
            rtcp: { cname: find(section, /^a=ssrc:\d+ cname:(\S+)/m) },
          },
        ])
      }
      const fingerprint = find(sections[0] ?? '', /^a=fingerprint:sha-256 (\S+)/m)
      await request('connect-transport', {
        transport_id: transport.id,
        dtls_parameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] },
      })
      for (const [kind, rtp_parameters] of produced)
        await request('produce', { transport_id: transport.id, kind, rtp_parameters })
      const remote = { type: 'answer', sdp: `${answer.join('\r\n')}\r\n` } as const
      await peer.setRemoteDescription(remote)
      const transportId = transport.id
      const takeOver = ['publish', { ...identity, transport_id: transportId }] as const
      globalThis.bareMedia = { peer, transportId, remote, takeOver, request }
      await new Promise<void>((resolve) => {
        const look = () => peer.connectionState === 'connected' && resolve()
        peer.addEventListener('connectionstatechange', look)
        look()
      })
      return peer.connectionState
    },
    { door, ticket, relay },
  )
}

/**
 * Watches a live stream. Returns how many pictures and how many bytes of sound came within some seconds.
 * @param relay as for {@link publishBare}
 */
export function watchBare(
  page: Page,
  door: string,
  ticket: string,
  relay?: string,
): Promise<{ frames: number; sound: number }> {
  return page.evaluate(
    async ({ door, ticket, relay }) => {
      const { request, welcome, transportLines, relaysWith } = await globalThis.bareDoor(door)
      const { codecs, headerExtensions } = welcome.router_rtp_capabilities
      const plain = codecs.filter(({ mimeType }: { mimeType: string }) => !mimeType.endsWith('/rtx'))
      const rtp_capabilities = { codecs: plain, headerExtensions: headerExtensions.filter(() => false) }
      const { transport, streams, ice } = await request('join', { ticket, rtp_capabilities })
      const consumers = streams[0].consumers
      const mids = consumers.map((_: unknown, index: number) => index).join(' ')
      const offer = [
        'v=0',
        'o=- 1 1 IN IP4 127.0.0.1',
        's=-',
        't=0 0',
        'a=ice-lite',
        `a=group:BUNDLE ${mids}`,
      ]
      for (const [index, { kind, rtp_parameters }] of consumers.entries()) {
        const [{ payloadType, mimeType, clockRate, channels }] = rtp_parameters.codecs
        const name = [mimeType.split('/')[1], clockRate, ...(channels ? [channels] : [])].join('/')
        const { ssrc } = rtp_parameters.encodings[0]
        offer.push(`m=${kind} 7 UDP/TLS/RTP/SAVPF ${payloadType}`, 'c=IN IP4 0.0.0.0', `a=mid:${index}`)
        offer.push('a=sendonly', 'a=rtcp-mux', ...transportLines(transport), 'a=setup:actpass')
        offer.push(
          `a=rtpmap:${payloadType} ${name}`,
          `a=rtcp-fb:${payloadType} nack pli`,
          `a=msid:bare ${kind}`,
        )
        offer.push(`a=ssrc:${ssrc} cname:${rtp_parameters.rtcp.cname}`)
      }
      const peer = new RTCPeerConnection({ iceServers: relaysWith(ice.ice_servers, relay) })
      const remote = { type: 'offer', sdp: `${offer.join('\r\n')}\r\n` } as const
      await peer.setRemoteDescription(remote)
      await peer.setLocalDescription()
      const transportId = transport.id
      const takeOver = ['resume', { ticket, transport_id: transportId }] as const
      globalThis.bareMedia = { peer, transportId, remote, takeOver, request }
      const fingerprint = /^a=fingerprint:sha-256 (\S+)/m.exec(peer.localDescription?.sdp ?? '')?.[1]
      await request('connect-transport', {
        transport_id: transport.id,
        dtls_parameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: fingerprint }] },
      })
      // Without an element that shows the video, nothing would be decoded.
      const video = document.createElement('video')
      video.muted = true
      video.srcObject = new MediaStream(peer.getReceivers().map(({ track }) => track))
      document.body.append(video)
      void video.play()
      let seen = { frames: 0, sound: 0 }
      for (let look = 0; look < 100 && (seen.frames < 10 || seen.sound === 0); look++) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        const stats = [...(await peer.getStats()).values()]
        const inbound = (kind: string) =>
          stats.find((stat) => stat.type === 'inbound-rtp' && stat.kind === kind)
        seen = { frames: inbound('video')?.framesDecoded ?? 0, sound: inbound('audio')?.bytesReceived ?? 0 }
      }
      return seen
    },
    { door, ticket, relay },
  )
}

/** Puts into a page what both functions need: protoo, and the SDP lines of the hub's transport. */
export function prepareBare(page: Page): Promise<void> {
  return page.evaluate(() => {
    globalThis.bareDoor = async (door) => {
      const socket = new WebSocket(door, 'protoo')
      const waiting = new Map<number, { resolve(data: unknown): void; reject(error: Error): void }>()
      const welcome = await new Promise<Loose>((resolve) => {
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data)
          if (message.method === 'welcome') resolve(message.data)
          if (message.response !== true) return
          const asked = waiting.get(message.id)
          if (message.ok) asked?.resolve(message.data)
          else asked?.reject(new Error(message.errorReason))
        }
      })
      return {
        welcome,
        request: (method, data) =>
          new Promise((resolve, reject) => {
            const id = waiting.size + 1
            waiting.set(id, { resolve, reject })
            socket.send(JSON.stringify({ request: true, id, method, data }))
          }),
        transportLines: ({ ice_parameters, ice_candidates, dtls_parameters }) => [
          `a=ice-ufrag:${ice_parameters.usernameFragment}`,
          `a=ice-pwd:${ice_parameters.password}`,
          ...dtls_parameters.fingerprints
            .filter(({ algorithm }: { algorithm: string }) => algorithm === 'sha-256')
            .map(({ value }: { value: string }) => `a=fingerprint:sha-256 ${value}`),
          ...ice_candidates.map(
            ({ foundation, protocol, priority, address, port }: Loose) =>
              `a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ host${protocol === 'tcp' ? ' tcptype passive' : ''}`,
          ),
          'a=end-of-candidates',
        ],
        relaysWith: (iceServers, part) =>
          part === undefined
            ? []
            : iceServers.map((server: Loose) => ({
                ...server,
                urls: server.urls.filter((url: string) => url.includes(part)),
              })),
      }
    }
  })
}

/**
 * Restarts ICE by the protocol alone. @param door of another WebSocket that takes over; the present one by default */
export function restartBare(page: Page, reason: string, door: string | null = null): Promise<void> {
  return page.evaluate(
    async ({ reason, door }) => {
      const media = globalThis.bareMedia
      const { peer, transportId, takeOver } = media
      if (door !== null) {
        const { request } = await globalThis.bareDoor(door)
        await request(...takeOver)
        media.request = request
      }
      const { ice_parameters } = await media.request('restart-ice', { transport_id: transportId, reason })
      const { type, sdp: before } = media.remote
      const sdp = before
        .replaceAll(/a=ice-ufrag:\S+/g, `a=ice-ufrag:${ice_parameters.usernameFragment}`)
        .replaceAll(/a=ice-pwd:\S+/g, `a=ice-pwd:${ice_parameters.password}`)
      if (type === 'answer') {
        peer.restartIce()
        await peer.setLocalDescription()
        await peer.setRemoteDescription({ type, sdp })
      } else {
        await peer.setRemoteDescription({ type, sdp })
        await peer.setLocalDescription()
      }
    },
    { reason, door },
  )
}

declare global {
  var bareDoor: (door: string) => Promise<BareDoor>
  var bareMedia: BareMedia
}
