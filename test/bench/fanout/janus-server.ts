import { parse, type SessionDescription, write } from 'sdp-transform'
import { z } from 'zod'
import { OWN_ICE } from '../../support/stun-binding.ts'
import type { FanoutViewer, OpenServer } from './fanout-side.ts'
import { JanusProcess } from './janus-process.ts'
import { JanusSession } from './janus-session.ts'

const PAYLOAD_TYPE = 102
const MOUNTPOINT = 1
const FMTP = 'packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1'
const mountpoint = z.object({ stream: z.object({ ports: z.array(z.object({ port: z.int() })).min(1) }) })

/**
 * Janus with one event loop: a mountpoint of its streaming plugin, and a handle for each viewer. It has one layer: the
 * plugin estimates no bandwidth.
 */
export const openJanus =
  (program: string): OpenServer =>
  async () => {
    await using stack = new AsyncDisposableStack()
    const janus = stack.use(await JanusProcess.start(program))
    const session = stack.use(await JanusSession.open(janus.url))
    const video = { type: 'video', mid: 'v', codec: 'h264', pt: PAYLOAD_TYPE, fmtp: FMTP }
    const media = [{ ...video, iface: '127.0.0.1', port: 0 }]
    const request = { request: 'create', type: 'rtp', id: MOUNTPOINT, media }
    const { data } = await session.send(await session.attach(), request)
    const [{ port }] = mountpoint.parse(data).stream.ports as [{ port: number }]
    const owned = stack.move()
    return {
      pid: janus.pid,
      inputs: [{ ip: '127.0.0.1', port, ssrc: 1000, payloadType: PAYLOAD_TYPE }],
      async addViewer({ fingerprints }) {
        const handle = await session.attach()
        const { offer } = await session.send(handle, { request: 'watch', id: MOUNTPOINT })
        if (offer === null) throw new Error('Janus made no offer')
        const sdp = answerTo(parse(offer), fingerprints[0]!.value)
        await session.send(handle, { request: 'start' }, { type: 'answer', sdp })
        return viewerOf(parse(offer))
      },
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    }
  }

/** Takes all that Janus offers, as a browser does: RTX and NACK keep a history of what was sent on either side. */
export function answerTo(offer: SessionDescription, fingerprint: string): string {
  const [video] = offer.media as [SessionDescription['media'][number]]
  return write({
    version: 0,
    origin: { ...offer.origin!, username: '-', address: '127.0.0.1' },
    name: '-',
    timing: { start: 0, stop: 0 },
    groups: offer.groups ?? [],
    media: [
      {
        ...{ type: video.type, port: 9, protocol: video.protocol, payloads: video.payloads ?? '' },
        connection: { version: 4, ip: '127.0.0.1' },
        ...{ mid: video.mid ?? 'v', direction: 'recvonly', rtcpMux: 'rtcp-mux', setup: 'active' },
        fingerprint: { type: 'sha-256', hash: fingerprint },
        ...{ iceUfrag: OWN_ICE.usernameFragment, icePwd: OWN_ICE.password },
        ...{ rtp: video.rtp, fmtp: video.fmtp, rtcpFb: video.rtcpFb ?? [], ext: video.ext ?? [] },
      },
    ],
  })
}

/** What a viewer must know, out of Janus's offer. */
export function viewerOf({ media: [video] }: SessionDescription): FanoutViewer {
  const candidate = video?.candidates?.find(({ ip }) => !ip.includes(':'))
  const ssrc = video?.ssrcs?.[0]?.id
  if (!video?.iceUfrag || !video.icePwd || !candidate || ssrc === undefined)
    throw new Error('the offer of Janus lacks credentials, an IPv4 candidate or an SSRC')
  return {
    ip: candidate.ip,
    port: candidate.port,
    ice: { usernameFragment: video.iceUfrag, password: video.icePwd },
    ssrc: Number(ssrc),
    feedback: null,
  }
}
