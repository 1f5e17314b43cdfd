import 'reflect-metadata'
import test from 'ava'
import { RTCPeerConnection, type RtpPacket, useH264, useOPUS } from 'werift'
import { DirectViewers, MAX_DIRECT_VIEWERS } from '../../../agent/direct/direct-viewers.ts'
import { TsMuxer } from '../../../agent/encoder/ts-muxer.ts'
import { createLogger } from '../../../common/logger.ts'
import { until } from '../../support/until.ts'

/** A browser's part of a direct way. */
class Viewer implements AsyncDisposable {
  readonly peer = new RTCPeerConnection({
    bundlePolicy: 'max-bundle',
    codecs: { video: [useH264()], audio: [useOPUS()] },
    iceServers: [],
    iceAdditionalHostAddresses: ['127.0.0.1'],
  })
  readonly video: RtpPacket[] = []
  readonly audio: RtpPacket[] = []

  constructor() {
    for (const kind of ['video', 'audio'] as const)
      this.peer
        .addTransceiver(kind, { direction: 'recvonly' })
        .onTrack.subscribe((track) => track.onReceiveRtp.subscribe((packet) => this[kind].push(packet)))
  }

  /** Without reflexive candidates, for which werift would ask a server of its own choice. */
  async offer(): Promise<string> {
    await this.peer.setLocalDescription(await this.peer.createOffer())
    return this.peer.localDescription!.sdp
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.peer.close()
  }
}

const START = Buffer.from([0, 0, 0, 1])
/** An IDR picture of so many bytes, of which only the first says anything. */
const idr = (bytes: number) => Buffer.concat([START, Buffer.from([0x65]), Buffer.alloc(bytes - 1, 0xaa)])

function openViewers() {
  const said: unknown[] = []
  const viewers = new DirectViewers({
    logger: createLogger('silent'),
    aheadMs: () => 12,
    keyframe: () => said.push('keyframe'),
    watched: (watched) => said.push(watched),
  })
  return { viewers, said }
}

test('pictures and sound leave as they are, and a fifth viewer stays with the hub', async (t) => {
  await using viewer = new Viewer()
  const { viewers, said } = openViewers()
  await using _ = viewers
  const answer = await viewers.offer('one', await viewer.offer())
  t.is(answer.ahead_ms, 12)
  t.notRegex(answer.sdp, /VP8|srflx/)
  await viewer.peer.setRemoteDescription({ type: 'answer', sdp: answer.sdp })
  await until(() => said.includes('keyframe'), 'the way is there, and an IDR is asked for')
  t.is(said[0], true)

  const muxer = new TsMuxer({ renditions: 2, audioChannels: 2 })
  const unixMs = Date.now()
  viewers.write(muxer.video(0, idr(300), BigInt(unixMs) * 1_000_000n, unixMs))
  viewers.write(muxer.video(1, idr(3000), BigInt(unixMs) * 1_000_000n, unixMs))
  viewers.write(muxer.audio(Buffer.from([0xfc, 1, 2, 3]), BigInt(unixMs) * 1_000_000n, unixMs))
  await until(() => viewer.video.at(-1)?.header.marker && viewer.audio.length > 0, 'media comes')
  // A single NAL unit of the small picture, then the large picture in fragments; the small one is shown no more.
  t.deepEqual(
    viewer.video.map(({ payload }) => payload[0]! & 0x1f),
    [5, 28, 28, 28],
  )
  t.is(viewer.video.at(-1)?.header.timestamp, (unixMs * 90) % 2 ** 32)
  t.deepEqual([...viewer.audio[0]!.payload], [0xfc, 1, 2, 3])

  // The sender has not seen yet that these are one and the same.
  const offer = viewer.peer.localDescription!.sdp
  for (let other = 0; other < MAX_DIRECT_VIEWERS - 1; other += 1) await viewers.offer(`other-${other}`, offer)
  await t.throwsAsync(viewers.offer('fifth', offer), { code: 'direct_unavailable', message: /has 4/ })
  viewers.leave('other-0')
  await t.notThrowsAsync(viewers.offer('fifth', offer))
  viewers.leaveAll()
  t.is(said.at(-1), false)
  t.is(viewers.count, 0)
})

test('an offer that is none is refused, and takes no place', async (t) => {
  const { viewers, said } = openViewers()
  await using _ = viewers
  for (const sdp of ['nothing', 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 nonsense\r\n'])
    await t.throwsAsync(viewers.offer('one', sdp), { code: 'direct_unavailable' })
  t.is(viewers.count, 0)
  t.deepEqual(said, [true, false, true, false])
})
