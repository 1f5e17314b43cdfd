import type { types } from 'mediasoup'
import type { Attach } from '../../common/wire/lane-ipc.ts'
import type { WorkerSlot } from '../worker-pool.ts'
import type { LaneIdentity } from './lane-identity.ts'

/** RTP header extensions of a lane's producers: their URIs and the ids in use between ingress and router (RFC 8285). */
const EXTENSIONS = {
  playout_delay: { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay', id: 6 },
  abs_capture_time: { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time', id: 13 },
} as const

const VIDEO_PAYLOAD_TYPE = 102
const AUDIO_PAYLOAD_TYPE = 111
/**
 * However many viewers need an IDR, the sender is asked once until it has sent one, and then not again for this time,
 * ms: an IDR costs several pictures.
 */
const KEYFRAME_EVERY_MS = 80
/** A picture of H.264 in RTP may arrive at once: the socket must hold it while the worker is busy. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** The tracks of a lane: the number of video renditions (0 to 4), and whether there is sound. */
export interface LaneLayout {
  readonly renditions: number
  readonly audio: boolean
}

/**
 * A lane on one router: the plain transport to which its ingress sends, and its producers. Closing the lane, or the
 * death of its worker, closes the producers and all their consumers. The identity lives on and makes the next lane.
 */
export class Lane {
  readonly slot: WorkerSlot
  readonly layout: LaneLayout
  readonly producers: readonly types.Producer[]
  readonly #identity: LaneIdentity
  readonly #transport: types.PlainTransport

  private constructor(
    slot: WorkerSlot,
    layout: LaneLayout,
    identity: LaneIdentity,
    transport: types.PlainTransport,
    producers: types.Producer[],
  ) {
    this.slot = slot
    this.layout = layout
    this.#identity = identity
    this.#transport = transport
    this.producers = producers
  }

  /**
   * Makes the lane on `slot`. It accepts RTP only from loopback port `rtpPort`.
   * @throws when the worker dies meanwhile; a half-made lane is closed
   */
  static async open(
    slot: WorkerSlot,
    layout: LaneLayout,
    identity: LaneIdentity,
    rtpPort: number,
  ): Promise<Lane> {
    const transport = await slot.router.createPlainTransport({
      listenInfo: { protocol: 'udp', ip: '127.0.0.1', recvBufferSize: RECEIVE_BUFFER_BYTES },
      rtcpMux: true,
      comedia: false,
    })
    try {
      await transport.connect({ ip: '127.0.0.1', port: rtpPort })
      const producers: types.Producer[] = []
      if (layout.renditions > 0) producers.push(await transport.produce(videoOptions(layout, identity)))
      if (layout.audio) producers.push(await transport.produce(audioOptions(identity)))
      return new Lane(slot, layout, identity, transport, producers)
    } catch (error) {
      transport.close()
      throw error
    }
  }

  /** False after the worker died or the lane was closed. */
  get alive(): boolean {
    return !this.#transport.closed
  }

  get video(): types.Producer | undefined {
    return this.producers.find((producer) => producer.kind === 'video')
  }

  /** What an ingress process must know to send to this lane. */
  attachment(playoutDelayMs: { min: number; max: number } | null): Attach {
    const identity = this.#identity
    const track = (ssrc: number, payload_type: number) => ({
      ssrc,
      payload_type,
      sequence: identity.sequence(ssrc),
    })
    const { localIp, localPort } = this.#transport.tuple as types.TransportTuple & { localIp?: string }
    return {
      type: 'attach',
      target: { ip: localIp ?? '127.0.0.1', port: localPort },
      video: Array.from({ length: this.layout.renditions }, (_, rendition) =>
        track(identity.videoSsrc(rendition), VIDEO_PAYLOAD_TYPE),
      ),
      audio: this.layout.audio ? track(identity.audioSsrc, AUDIO_PAYLOAD_TYPE) : null,
      cname: identity.cname,
      extension_ids: {
        playout_delay: EXTENSIONS.playout_delay.id,
        abs_capture_time: EXTENSIONS.abs_capture_time.id,
      },
      playout_delay_ms: playoutDelayMs,
      clock: identity.clock,
    }
  }

  close(): void {
    this.#transport.close()
  }
}

function videoOptions(layout: LaneLayout, identity: LaneIdentity): types.ProducerOptions {
  return {
    kind: 'video',
    keyFrameRequestDelay: KEYFRAME_EVERY_MS,
    rtpParameters: {
      codecs: [
        {
          mimeType: 'video/H264',
          payloadType: VIDEO_PAYLOAD_TYPE,
          clockRate: 90_000,
          parameters: { 'packetization-mode': 1, 'profile-level-id': '42e01f', 'level-asymmetry-allowed': 1 },
          rtcpFeedback: [
            { type: 'nack' },
            { type: 'nack', parameter: 'pli' },
            { type: 'ccm', parameter: 'fir' },
          ],
        },
      ],
      headerExtensions: Object.values(EXTENSIONS),
      encodings: Array.from({ length: layout.renditions }, (_, rendition) => ({
        ssrc: identity.videoSsrc(rendition),
      })),
      rtcp: { cname: identity.cname },
    },
  }
}

function audioOptions(identity: LaneIdentity): types.ProducerOptions {
  return {
    kind: 'audio',
    rtpParameters: {
      codecs: [
        {
          mimeType: 'audio/opus',
          payloadType: AUDIO_PAYLOAD_TYPE,
          clockRate: 48_000,
          channels: 2,
          parameters: { useinbandfec: 1 },
        },
      ],
      headerExtensions: [EXTENSIONS.abs_capture_time],
      encodings: [{ ssrc: identity.audioSsrc }],
      rtcp: { cname: identity.cname },
    },
  }
}
