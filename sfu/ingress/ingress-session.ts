import { isDeepStrictEqual } from 'node:util'
import { STEADY_BASE_MS, SYSTEM_CLOCK, wallOf } from '../../common/clock.ts'
import type { Logger } from '../../common/logger.ts'
import type { HubToIngress, IngressToHub, PictureState, RistInput } from '../../common/wire/ingress-ipc.ts'
import type { Attach, Cursors } from '../../common/wire/lane-ipc.ts'
import { isRtcp } from '../lane/rtcp-feedback.ts'
import { RtpSocket } from '../lane/rtp-socket.ts'
import { AacTranscoder } from './audio/aac-transcoder.ts'
import { BufferTuner } from './buffer-tuner.ts'
import { Cadence } from './cadence.ts'
import { FlowIdentity } from './flow-identity.ts'
import { PictureWatch } from './picture-watch.ts'
import { IngestPipeline } from './pipeline.ts'
import type { IssueKind, ProgramDescription } from './pipeline-types.ts'
import { loggedAs, RistLogLines } from './rist-log-lines.ts'
import { type FlowEvent, RistReceiver } from './rist-receiver.ts'
import type { FlowStats } from './rist-stats.ts'

type Start = Extract<HubToIngress, { type: 'start' }>

/** How often the hub gets the positions of sequence numbers and clock, ms; also this process's sign of life. */
const CURSORS_EVERY_MS = 100
const REPORT_EVERY_MS = 1000
/** How often the sender is told what has arrived on its links, ms. */
const ARRIVALS_EVERY_MS = 200
/** Input is lost when nothing came for this long, ms, unless the stream makes pauses. */
const SILENT_AFTER_MS = 1000

/** A sender that has not proved itself within this time is none, ms. */
const PROVE_WITHIN_MS = 10_000
/** A sender that was away for this long may knock again, ms. */
const AWAY_AFTER_MS = 60_000

const NO_CURSORS: Cursors = { sequences: [], clock: null }

/** One stream inside its ingress process: receiver, pipeline and socket, and the reports about them to the hub. */
export class IngressSession implements AsyncDisposable {
  readonly #input: RistInput
  readonly #lines = new RistLogLines()
  readonly #tell: (message: IngressToHub) => void
  readonly #fail: (error: unknown) => void
  readonly #logger: Logger
  readonly #tuner: BufferTuner
  readonly #socket: RtpSocket
  readonly #aac: AacTranscoder
  readonly #pipeline: IngestPipeline
  readonly #issues: Record<string, number> = {}
  readonly #timers: NodeJS.Timeout[]
  #receiver: RistReceiver | null = null
  #flow: FlowStats | null = null
  readonly #identity = new FlowIdentity()
  readonly #cadence = new Cadence()
  readonly #pictureWatch = new PictureWatch()
  #pictures: PictureState = 'whole'
  #closed = false
  #attached = false
  #flowing = false
  /** When the sender was last there, or the earliest time when it could have come. */
  #senderAt = performance.now()
  #senderProven = false
  #dataCame = false
  /** What was told last of what has arrived on each link. */
  #arrived: readonly number[] = []

  private constructor(
    input: RistInput,
    socket: RtpSocket,
    tell: (message: IngressToHub) => void,
    fail: (error: unknown) => void,
    logger: Logger,
  ) {
    this.#input = input
    this.#tell = tell
    this.#fail = fail
    this.#logger = logger
    const { min_ms, max_ms, rtt_multiple, start_ms } = input.buffer
    this.#tuner = new BufferTuner({ minMs: min_ms, maxMs: max_ms, rttMultiple: rtt_multiple }, start_ms)
    this.#socket = socket
    this.#aac = new AacTranscoder({ logger })
    this.#pipeline = new IngestPipeline({
      aac: this.#aac,
      now: () => performance.timeOrigin + performance.now(),
      sink: {
        rtp: (packet) => this.#send(packet),
        program: (program) => this.#onProgram(program),
        refused: ({ code, message }) => {
          // Nothing leaves from now on. The next packet after a repair is reported again, however soon it comes.
          this.#flowing = false
          tell({ type: 'refused', code, message })
        },
        recovered: () => tell({ type: 'recovered' }),
        capture: ({ rtp90k, captureUnixMs, source }) =>
          tell({
            type: 'capture',
            rtp90k,
            source,
            // Lanes go by the steady clock. What other machines compare with their clocks goes by the wall clock.
            capture_unix_ms: source === 'arrival' ? wallOf(SYSTEM_CLOCK, captureUnixMs) : captureUnixMs,
          }),
        issue: (kind) => this.#issue(kind),
        keyframeRequest: (rendition) => tell({ type: 'keyframe-request', rendition }),
      },
    })
    this.#timers = [
      setInterval(() => this.#onCursors(), CURSORS_EVERY_MS),
      setInterval(() => this.#onReport(), REPORT_EVERY_MS),
      setInterval(() => this.#onArrivals(), ARRIVALS_EVERY_MS),
    ]
  }

  /**
   * Listens on every link port and on the RTP port. `fail` is called with what later ends the session.
   * @throws CodedError when librist is missing or a port is taken
   */
  static async open(
    { input, rtp_port, stream_id }: Start,
    tell: (message: IngressToHub) => void,
    fail: (error: unknown) => void,
    root: Logger,
  ): Promise<IngressSession> {
    const logger = root.child({ room: 'ingress', stream_id })
    const socket = await RtpSocket.open(rtp_port, (packet) => session.#pipeline.rtcp(packet))
    const session: IngressSession = new IngressSession(input, socket, tell, fail, logger)
    try {
      await session.#listen()
      return session
    } catch (error) {
      await session[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Sends to this lane from the next IDR on. */
  async attach({ type: _, target, ...attachment }: Attach): Promise<void> {
    await this.#socket.connect(target)
    const { clock } = attachment
    this.#pipeline.attach({ ...attachment, clock: { ...clock, epochMs: clock.epochMs + STEADY_BASE_MS } })
    this.#attached = true
  }

  detach(): void {
    this.#attached = false
    this.#pipeline.detach()
    this.#socket.disconnect()
  }

  async #listen(): Promise<void> {
    const input = this.#input
    const { bufferMs } = this.#tuner
    this.#receiver = await RistReceiver.open({
      address: input.address,
      links: input.links,
      passphrase: input.passphrase,
      aesBits: input.aes_bits,
      authentication: input.authentication,
      username: input.username,
      password: input.password,
      // librist takes the middle of the two and keeps it.
      buffer: { minMs: bufferMs, maxMs: bufferMs },
      onData: (chunk) => {
        this.#dataCame = true
        this.#pipeline.push(chunk)
      },
      together: (work) => this.#socket.together(work),
      onFlow: (event) => this.#onFlow(this.#identity.meaning(event)),
      onStats: (stats) => this.#onStats(stats),
      onRejected: ({ reason, detail, count }) => this.#tell({ type: 'rejected', reason, detail, count }),
      onLog: (line) => {
        const said = this.#lines.next(line, performance.now())
        if (said !== null) this.#logger[loggedAs(line)]({ librist: true, ...said }, line.message)
      },
    })
  }

  #onFlow(type: FlowEvent['type'] | null): void {
    if (type === null) return
    if (type === 'replaced') this.#pipeline.reset()
    if (type === 'connected' || type === 'replaced') this.#tuner.restart()
    if (type === 'lost') this.#setFlowing(false)
    this.#tell({ type: 'flow', state: type === 'returned' ? 'connected' : type })
  }

  #onStats(stats: FlowStats): void {
    this.#flow = stats
    const rttMs = Math.max(0, ...stats.links.filter((link) => link.alive).map((link) => link.rttMs))
    if (!this.#tuner.observe({ rttMs, lost: stats.lost })) return
    this.#tell({ type: 'buffer', ms: this.#tuner.bufferMs, rtt_ms: rttMs })
    this.#relisten().catch(this.#fail)
  }

  /** librist fixes the buffer when it opens: closes the receiver and opens it again with the right buffer. */
  async #relisten(): Promise<void> {
    await this.#receiver?.[Symbol.asyncDispose]()
    this.#receiver = null
    if (this.#closed) return
    this.#identity.reopened(performance.now())
    await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#receiver?.[Symbol.asyncDispose]()
    this.#aac[Symbol.dispose]()
    this.#socket[Symbol.dispose]()
  }

  #send(packet: Buffer): void {
    this.#socket.send(packet)
    // Sender reports go on while the input is silent: they are no sign of life.
    if (isRtcp(packet)) return
    this.#cadence.arrived(performance.now())
    this.#setFlowing(true)
  }

  #setFlowing(flowing: boolean): void {
    if (flowing === this.#flowing) return
    this.#flowing = flowing
    this.#pictures = 'whole'
    if (flowing) this.#pictureWatch.begins(performance.now())
    this.#tell({ type: 'media', flowing, pictures: this.#pictures })
  }

  #onPictures(nowMs: number): void {
    const pictures = this.#pictureWatch.observe(nowMs, this.#pipeline.pictures)
    if (!this.#flowing || pictures === this.#pictures) return
    this.#pictures = pictures
    this.#tell({ type: 'media', flowing: true, pictures })
  }

  #onProgram({ video, audio, audioRefusal }: ProgramDescription): void {
    if (audioRefusal)
      this.#tell({ type: 'rejected', reason: audioRefusal.code, detail: audioRefusal.message, count: 1 })
    this.#tell({
      type: 'program',
      program: {
        video: video.map(({ width, height, profile }) => ({ width, height, profile })),
        audio: audio && { source: audio.source, channels: audio.channels },
        audio_refusal: audioRefusal?.message ?? null,
      },
    })
  }

  #issue(kind: IssueKind): void {
    this.#issues[kind] = (this.#issues[kind] ?? 0) + 1
  }

  #onCursors(): void {
    this.#pipeline.tick()
    const { sequences, clock: own } = this.#attached ? this.#pipeline.cursors() : NO_CURSORS
    const clock = own && { ...own, epochMs: own.epochMs - STEADY_BASE_MS }
    this.#tell({ type: 'cursors', sequences, clock })
    const nowMs = performance.now()
    if (this.#cadence.silentMs(nowMs) > this.#cadence.patienceMs(SILENT_AFTER_MS)) this.#setFlowing(false)
    this.#onPictures(nowMs)
    if (this.#identity.lostAt(nowMs)) this.#onFlow('lost')
  }

  #onArrivals(): void {
    const packets = this.#receiver?.arrived
    if (!packets || isDeepStrictEqual(packets, this.#arrived)) return
    this.#arrived = packets
    this.#tell({ type: 'arrivals', at_ms: performance.now(), packets: [...packets] })
  }

  #onReport(): void {
    if (this.#flowing) this.#pipeline.senderReports()
    const counts = Object.entries(this.#issues)
    if (counts.length > 0) {
      this.#tell({ type: 'issues', counts: Object.fromEntries(counts) })
      for (const [kind] of counts) delete this.#issues[kind]
    }
    this.#watchSender()
    const flow = this.#flow
    this.#flow = null
    if (!flow) return
    const { video, audio } = this.#pipeline.stats()
    this.#tell({
      type: 'stats',
      quality: flow.quality,
      received: flow.received,
      recovered: flow.recovered,
      lost: flow.lost,
      links: flow.links.map((link) => ({
        name: link.cname ?? String(link.port),
        port: link.port,
        alive: link.alive,
        rtt_ms: link.rttMs,
        bitrate_kbps: link.bitrateKbps,
      })),
      video: video.map(({ kbps, fps, keyframeGapMs }) => ({ kbps, fps, keyframe_gap_ms: keyframeGapMs })),
      audio_kbps: audio?.kbps ?? 0,
    })
  }

  #watchSender(): void {
    const now = performance.now()
    if (this.#dataCame || this.#receiver?.hasSender) {
      this.#dataCame = false
      this.#senderProven = true
      this.#senderAt = now
    } else if (now - this.#senderAt > (this.#senderProven ? AWAY_AFTER_MS : PROVE_WITHIN_MS))
      this.#tell({ type: 'unused', proven: this.#senderProven })
  }
}
