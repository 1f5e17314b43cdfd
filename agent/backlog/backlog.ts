import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { backoffMs, pause } from '../../common/retry.ts'
import { type Segment, SegmentFolder } from '../../common/segments/segment-folder.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { GapRecorder, type RecordedSegment } from './gap-recorder.ts'
import { putSegment } from './put-segment.ts'
import { nextKbps } from './spare-rate.ts'

const MB = 1_000_000
/** Most bytes that wait for the disk: then segments are given up. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** How often the spare rate is looked at while something is delivered, ms. */
const LOOK_EVERY_MS = 1000
const MAX_PAUSE_MS = 30_000
const AGAIN = { initialMs: 1000, maxMs: 60_000, factor: 2 }
/** Refusals after which the same segment would be refused again. */
const FINAL = new Set([400, 409, 413, 415])

export interface BacklogOptions {
  readonly folder: string
  /** Room on the disk, MB; the oldest segment gives way. 0 keeps nothing. */
  readonly mostMb: () => number
  readonly hub: HubAccess
  /** What may be taken of the links now, kb/s. */
  readonly spareKbps: () => number
  readonly logger: Logger
}

/**
 * Store and forward: keeps on disk what broadcasts could not send in time, and delivers it when live media leaves room,
 * the oldest first. What is there outlives the process.
 */
export class Backlog implements AsyncDisposable {
  readonly #options: BacklogOptions
  readonly #segments: SegmentFolder
  readonly #stop = new AbortController()
  #running: Promise<void> | null = null
  #waitingBytes = 0
  #saving: Promise<unknown> = Promise.resolve()
  #saved = Promise.withResolvers<void>()
  #kbps = 0
  #fault: string | null = null

  /** @throws errors of the file system */
  static async open(options: BacklogOptions): Promise<Backlog> {
    const { folder, mostMb, logger } = options
    const segments = await SegmentFolder.open({
      folder,
      mostBytes: () => mostMb() * MB,
      gaveWay: ({ stream, from, to }) =>
        logger.warn({ stream, from, to }, 'a segment gave way to newer ones before it was delivered'),
    })
    return new Backlog(options, segments)
  }

  private constructor(options: BacklogOptions, segments: SegmentFolder) {
    this.#options = options
    this.#segments = segments
  }

  /** Begins to deliver, and goes on until this is disposed of. Once. */
  deliver(): void {
    const { signal } = this.#stop
    this.#running ??= this.#deliver(signal).catch((error: unknown) => {
      if (!signal.aborted) this.#options.logger.error({ reason: messageOf(error) }, 'delivery ended')
    })
  }

  /** Picks what is to be kept out of a stream. @param stream as the hub calls it */
  recorder(stream: string): GapRecorder {
    return new GapRecorder((segment) => this.#keep(stream, segment))
  }

  /** What waits of a stream, MB. */
  mbOf(stream: string): number {
    return this.#segments.of(stream).reduce((sum, { bytes }) => sum + bytes, 0) / MB
  }

  /** Why nothing can be kept now; null where all is well. */
  get fault(): string | null {
    return this.#fault
  }

  /** Waits until everything is on the disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#saving
  }

  #keep(stream: string, { from, to, pieces }: RecordedSegment): void {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (this.#options.mostMb() === 0) return
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) return this.#failed('the disk is too slow')
    this.#waitingBytes += bytes
    this.#saving = this.#segments
      .save(stream, { from, to }, pieces)
      .then(
        (outcome) => {
          if (outcome === 'too_large') return this.#failed('there is no room for a segment')
          this.#fault = null
          this.#saved.resolve()
        },
        (error: unknown) => this.#failed(messageOf(error)),
      )
      .finally(() => {
        this.#waitingBytes -= bytes
      })
  }

  #failed(reason: string): void {
    if (reason !== this.#fault)
      this.#options.logger.error({ reason }, 'what could not be sent can not be kept for later')
    this.#fault = reason
  }

  async #deliver(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    while (!signal.aborted) {
      this.#saved = Promise.withResolvers()
      if (this.#segments.oldest) await this.#deliverAll(signal)
      else await Promise.race([this.#saved.promise, aborted])
    }
  }

  async #deliverAll(signal: AbortSignal): Promise<void> {
    const looks = setInterval(() => this.#look(), LOOK_EVERY_MS)
    using _ = { [Symbol.dispose]: () => clearInterval(looks) }
    this.#look()
    let failures = 0
    for (let segment = this.#segments.oldest; segment; segment = this.#segments.oldest) {
      if (this.#kbps === 0) {
        await pause(LOOK_EVERY_MS, signal)
        continue
      }
      const startedAt = performance.now()
      failures = (await this.#put(segment, signal)) ? 0 : failures + 1
      if (failures > 0) await pause(backoffMs(AGAIN, failures - 1), signal)
      // On average no more than there is to spare.
      const ownMs = (segment.bytes * 8) / Math.max(this.#kbps, 1)
      await pause(Math.min(MAX_PAUSE_MS, Math.max(0, ownMs - (performance.now() - startedAt))), signal)
    }
  }

  #look(): void {
    this.#kbps = nextKbps(this.#kbps, this.#segments.oldest ? this.#options.spareKbps() : 0)
  }

  /** @returns whether the segment is done with */
  async #put(segment: Segment, signal: AbortSignal): Promise<boolean> {
    const { hub, logger } = this.#options
    const { stream, from, to } = segment
    try {
      const media = await this.#segments.read(segment)
      const answer = await putSegment(hub, stream, segment, media, this.#kbps, signal)
      const { status, code, message } = answer
      const isDelivered = status >= 200 && status < 300
      if (isDelivered) logger.info({ stream, from, to, bytes: media.length }, 'delivered later')
      else logger.warn({ stream, from, to, status, code, reason: message }, 'the hub takes no segment')
      if (!isDelivered && !FINAL.has(status)) return false
      await this.#segments.remove(segment)
      return true
    } catch (error) {
      signal.throwIfAborted()
      logger.debug({ stream, from, to, reason: messageOf(error) }, 'a segment was not delivered')
      return false
    }
  }
}
