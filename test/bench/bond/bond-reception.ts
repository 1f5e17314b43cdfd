import { IngestPipeline } from '../../../sfu/ingress/pipeline.ts'
import { RistReceiver } from '../../../sfu/ingress/rist-receiver.ts'
import { RIST_SECRETS } from '../../support/rist-bench.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'

/** A pause between pictures that is longer than this is a freeze, ms: three pictures of 30 a second. */
const FREEZE_MS = 100
const PICTURE_MS = 1000 / 30
/** RTP: a picture's last packet has the marker bit (RFC 6184 section 5.1). */
const MARKER = 0x80
const VIDEO_SSRC = 1001

/** What a receiver like the hub's makes of a bond: packets that never came, and pictures that stood still. */
export class BondReception implements AsyncDisposable {
  readonly ports: readonly number[]
  readonly #receiver: RistReceiver
  #counts = { delivered: 0, lost: 0, bytes: 0, frozenMs: 0 }
  #pictureAt: number | null = null

  /** @param onKeyframeNeeded the pipeline waits for a keyframe */
  static async open(links: number, bufferMs: number, onKeyframeNeeded: () => void): Promise<BondReception> {
    const ports = await freeUdpPorts(links)
    let reception: BondReception | null = null
    const pipeline: IngestPipeline = new IngestPipeline({
      aac: null,
      now: () => performance.timeOrigin + performance.now(),
      sink: {
        rtp: (packet) => {
          const isReport = packet[1]! >= 200 && packet[1]! <= 207
          if (!isReport && (packet[1]! & MARKER) !== 0 && packet.readUInt32BE(8) === VIDEO_SSRC)
            if (reception) reception.#picture()
        },
        program: ({ video, audio }) =>
          pipeline.attach({
            video: video.map((_, rendition) => ({
              ssrc: VIDEO_SSRC + rendition,
              payload_type: 102,
              sequence: 1,
            })),
            audio: audio && { ssrc: 2001, payload_type: 111, sequence: 1 },
            extension_ids: { playout_delay: 6, abs_capture_time: 13 },
            playout_delay_ms: { min: 0, max: 0 },
            clock: { epochMs: performance.timeOrigin + performance.now(), offset90k: 1, last90k: 0 },
            cname: 'bond',
          }),
        refused: () => {},
        recovered: () => {},
        capture: () => {},
        issue: () => {},
        keyframeRequest: () => onKeyframeNeeded(),
      },
    })
    const receiver = await RistReceiver.open({
      address: '127.0.0.1',
      links: ports.map((port) => ({ port })),
      ...RIST_SECRETS,
      buffer: { minMs: bufferMs, maxMs: bufferMs },
      onData: (chunk) => {
        if (reception) reception.#counts.bytes += chunk.length
        pipeline.push(chunk)
      },
      onStats: ({ received, lost }) => {
        if (!reception) return
        reception.#counts.delivered += received
        reception.#counts.lost += lost
      },
    })
    reception = new BondReception(ports, receiver, pipeline)
    return reception
  }

  readonly #pipeline: IngestPipeline
  readonly #ticks: NodeJS.Timeout

  private constructor(ports: readonly number[], receiver: RistReceiver, pipeline: IngestPipeline) {
    this.ports = ports
    this.#receiver = receiver
    this.#pipeline = pipeline
    this.#ticks = setInterval(() => this.#pipeline.tick(), 100)
  }

  /** Datagrams that have arrived on each link. */
  get arrived(): readonly number[] {
    return this.#receiver.arrived
  }

  get counts(): { delivered: number; lost: number; bytes: number; frozenMs: number } {
    const now = performance.now()
    const still = this.#pictureAt === null ? 0 : now - this.#pictureAt
    return { ...this.#counts, frozenMs: this.#counts.frozenMs + (still > FREEZE_MS ? still : 0) }
  }

  /** Counts from now on. */
  reset(): void {
    this.#counts = { delivered: 0, lost: 0, bytes: 0, frozenMs: 0 }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticks)
    await this.#receiver[Symbol.asyncDispose]()
    this.#pipeline[Symbol.dispose]()
  }

  #picture(): void {
    const now = performance.now()
    const gap = this.#pictureAt === null ? 0 : now - this.#pictureAt
    if (gap > FREEZE_MS) this.#counts.frozenMs += gap - PICTURE_MS
    this.#pictureAt = now
  }
}
