import { setImmediate as nextTurn } from 'node:timers/promises'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { PictureSize } from '../../policy/viewed-stream.ts'
import type { Slates as SlatesOfLanes } from '../../sfu/switch/lane-slate.ts'
import { ChildQueue, HALF_OF_THE_CORES } from './child-queue.ts'
import { LateSlates } from './late-slates.ts'
import { slateSize } from './picture-size.ts'
import { plainSlate } from './plain-slate.ts'
import { SlateCache } from './slate-cache.ts'
import { encodeSlate, type SlateOutcome } from './slate-encoder.ts'
import { type SlateWords, slateWords } from './slate-words.ts'

/** What a slate tells. */
export interface SlateAbout {
  readonly tenantId: string
  /** The stream's name; any text. */
  readonly name: string
  /** When the last input went, Unix ms. */
  readonly sinceUnixMs: number
}

/** A tenant's own picture. */
export interface TenantPicture {
  /** Another one for each picture that any tenant ever stored. */
  readonly key: string
  /** An upright JPEG of one picture, made by the hub. */
  readonly jpeg: Uint8Array
}

/** Why a slate had to be made without ffmpeg: the machine has none, it failed, or it took too long. */
export type PlainBecause = 'absent' | 'failed' | 'late'

export interface SlatesOptions {
  /** The picture that a tenant uploaded, or null. May reject: our own picture is taken then. */
  readonly pictureOf: (tenantId: string) => Promise<TenantPicture | null>
  /** A slate had to be plain. Called for each. @param reason in words */
  readonly plain: (because: PlainBecause, reason: string) => void
  readonly logger: Logger
  /** Program to run; `ffmpeg` on the PATH by default. */
  readonly ffmpeg?: string | undefined
  /** Longest wait for ffmpeg, ms; 3000 by default. */
  readonly patienceMs?: number | undefined
}

/** Most sizes of one order: a lane has no more renditions. */
const MAX_SIZES = 16
/** Most sizes that wait for a child. */
const MAX_WAITING = 200

/** Makes the pictures that a lane without input shows, once for each change. */
export class Slates implements SlatesOfLanes, AsyncDisposable {
  readonly #options: SlatesOptions
  readonly #cache = new SlateCache()
  readonly #queue = new ChildQueue(HALF_OF_THE_CORES, MAX_WAITING)
  readonly #underWay = new Map<string, Promise<SlateOutcome>>()
  readonly #late = new LateSlates()
  readonly #listeners = new Set<(tenantId: string) => void>()
  #drawing: Promise<unknown> = Promise.resolve()
  readonly #closing = new AbortController()

  constructor(options: SlatesOptions) {
    this.#options = options
  }

  /**
   * For each size two IDR access units (H.264 constrained baseline, annex B, one slice, with SPS and PPS) that look the same
   * and differ in idr_pic_id, at most 400,000 bytes each. An odd size becomes even, and one above 4096x2304 pixels smaller.
   * Without ffmpeg, or when it fails or takes longer than `patienceMs`, they are plain: Latin letters on black. Those that
   * came too late are made all the same: `onChange` tells when to ask again. Never rejects.
   * @param sizes of the lane's renditions; at most 16, others are left out
   */
  async pictures(
    sizes: readonly PictureSize[],
    { tenantId, name, sinceUnixMs }: SlateAbout,
  ): Promise<Uint8Array[][]> {
    const { plain, patienceMs = 3000 } = this.#options
    const words = slateWords(name, sinceUnixMs)
    using patience = new Patience(patienceMs, this.#closing.signal)
    const picture = await patience.race(this.#pictureOf(tenantId), null)
    const made = sizes
      .slice(0, MAX_SIZES)
      .map(slateSize)
      .map(async (size) => ({ size, outcome: await patience.race(this.#made(size, words, picture), LATE) }))
    const pictures: Uint8Array[][] = []
    for (const { size, outcome } of await Promise.all(made)) {
      if ('units' in outcome) pictures.push([...outcome.units])
      else {
        if (!this.#closing.signal.aborted) plain(outcome.failed, outcome.why)
        if (outcome.failed === 'late') this.#late.note(tenantId, name, sinceUnixMs)
        pictures.push([...(await this.#plain(size, words))])
      }
    }
    return pictures
  }

  onChange(listener: (tenantId: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The slates of a tenant look different from now on. Tells one lane in a turn of the event loop, to spread the work. */
  async pictureChanged(tenantId: string): Promise<void> {
    for (const listener of [...this.#listeners]) {
      await nextTurn()
      if (this.#listeners.has(listener)) listener(tenantId)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#underWay.values())
  }

  async #pictureOf(tenantId: string): Promise<TenantPicture | null> {
    try {
      return await this.#options.pictureOf(tenantId)
    } catch (error) {
      const reason = messageOf(error)
      this.#options.logger.warn(
        { tenant_id: tenantId, reason },
        "a slate has our picture: the tenant's could not be read",
      )
      return null
    }
  }

  /** Those who ask for the same share one child. What nobody waits for any more goes on, for those who ask again. */
  #made(size: PictureSize, words: SlateWords, picture: TenantPicture | null): Promise<SlateOutcome> {
    const key = JSON.stringify([picture?.key ?? null, size.width, size.height, words])
    const units = this.#cache.get(key)
    if (units) return Promise.resolve({ units })
    const present = this.#underWay.get(key)
    if (present) return present
    const order = { size, words, picture: picture?.jpeg ?? null }
    const work = this.#queue
      .run(() => encodeSlate(order, this.#closing.signal, this.#options.ffmpeg))
      .then((outcome) => {
        if ('units' in outcome) this.#cache.add(key, outcome.units)
        return outcome
      })
      .finally(() => this.#done(key))
    this.#underWay.set(key, work)
    return work
  }

  /** One in a turn of the event loop, however many lanes wait: a large one takes some ms. */
  #plain(size: PictureSize, words: SlateWords): Promise<readonly Uint8Array[]> {
    const drawn = this.#drawing.then(() => nextTurn()).then(() => plainSlate(size, words))
    this.#drawing = drawn
    return drawn
  }

  #done(key: string): void {
    this.#underWay.delete(key)
    if (this.#underWay.size > 0 || this.#closing.signal.aborted) return
    for (const tenantId of this.#late.take()) void this.pictureChanged(tenantId)
  }
}

const LATE = { failed: 'late', why: 'slates before it took too long' } as const

/** One bound of time for several waits. */
class Patience implements Disposable {
  readonly #over = Promise.withResolvers<void>()
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal
  readonly #end = () => this.#over.resolve()

  constructor(ms: number, signal: AbortSignal) {
    this.#timer = setTimeout(this.#end, ms)
    this.#signal = signal
    if (signal.aborted) this.#end()
    signal.addEventListener('abort', this.#end, { once: true })
  }

  /** The result of `work`, or `otherwise` once the time is over. @param work never rejects */
  race<T, O>(work: Promise<T>, otherwise: O): Promise<T | O> {
    return Promise.race([work, this.#over.promise.then(() => otherwise)])
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#end)
    this.#end()
  }
}
