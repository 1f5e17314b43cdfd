import { setTimeout as delay } from 'node:timers/promises'
import type { types } from 'mediasoup'
import { cpuMs } from '../cpu-clock.ts'
import { rssMb } from '../process-usage.ts'
import type { Counted, SrtpProfile, ViewerOrder } from './fanout-protocol.ts'
import type { FanoutViewers } from './fanout-viewers.ts'
import { TooManyViewers } from './fewer-viewers.ts'
import { PictureSource, RENDITION_KBPS, type RenditionTarget } from './picture-source.ts'

/** Start of estimates: enough for the top layer at once, on all sides, kb/s. */
export const START_KBPS = 6000

/** How many viewers join at a time. */
const JOIN_AT_ONCE = 16
/** More than this share of the packets lost, and the viewers are too many. */
const MOST_LOST = 0.03
/** Viewers that are this much behind at the end of a window don't keep up: share of the window's packets. */
const MOST_BEHIND = 0.1

/** One of the compared sides: a process with one stream, and a way for viewers to get onto it. */
export interface FanoutServer extends AsyncDisposable {
  /** The process that sends. */
  readonly pid: number
  /** Where the stream's RTP goes: one a rendition, ascending. */
  readonly inputs: readonly Omit<RenditionTarget, 'kbps'>[]
  /** Viewers that were lost on the way, where the server hears of that. */
  readonly gone?: number
  addViewer(dtlsParameters: types.DtlsParameters): Promise<FanoutViewer>
}

/** What a viewer must know. */
export type FanoutViewer = Omit<ViewerOrder, 'type' | 'id' | 'group' | 'jitter'>

/** @param rtpPort of loopback, from which the stream's RTP comes */
export type OpenServer = (rtpPort: number, renditions: number) => Promise<FanoutServer>

/** What came of a stretch of playing. */
export interface Played {
  /** RTP packets that all viewers got and lost, and those that they should have got. */
  readonly received: number
  readonly lost: number
  readonly expected: number
  /** Viewers that were lost so far. */
  readonly gone: number
  /** CPU of the sending process, ms, in how much time, ms. */
  readonly cpuMs: number
  readonly wallMs: number
  /** p99 of the viewers that note arrivals; null where none does. */
  readonly jitterMs: number | null
}

export interface Window {
  /** CPU of the sending process for one packet to one viewer, microseconds. */
  readonly usPerPacket: number
  readonly rssMb: number
}

/** A server with its viewers, and the means to measure it. */
export class FanoutSide implements AsyncDisposable {
  readonly name: string
  readonly #server: FanoutServer
  readonly #source: PictureSource
  /** How many viewers each process plays. */
  readonly #viewers = new Map<FanoutViewers, number>()
  readonly #negotiated = new Set<SrtpProfile>()
  readonly #owned: AsyncDisposableStack

  private constructor(
    name: string,
    server: FanoutServer,
    source: PictureSource,
    owned: AsyncDisposableStack,
  ) {
    this.name = name
    this.#server = server
    this.#source = source
    this.#owned = owned
  }

  /** Opens the server. Nobody watches yet. */
  static async open(name: string, openServer: OpenServer, renditions: number): Promise<FanoutSide> {
    await using stack = new AsyncDisposableStack()
    const source = stack.use(await PictureSource.open())
    const server = stack.use(await openServer(source.port, renditions))
    const kbps = [RENDITION_KBPS.low, RENDITION_KBPS.top].slice(-renditions)
    source.feed(server.inputs.map((input, index) => ({ ...input, kbps: kbps[index]! })))
    return new FanoutSide(name, server, source, stack.move())
  }

  get pid(): number {
    return this.#server.pid
  }

  /** How many watch. */
  get count(): number {
    return this.#viewers.values().reduce((sum, count) => sum + count, 0)
  }

  /** What all its viewers negotiated. */
  get crypto(): SrtpProfile {
    const [crypto] = this.#negotiated
    if (crypto === undefined || this.#negotiated.size > 1)
      throw new Error(`${this.name}: viewers negotiated ${[...this.#negotiated].join(' and ') || 'nothing'}`)
    return crypto
  }

  /** Makes `count` more viewers watch. The first of them notes arrivals, where `jitter` is wanted. */
  async join(viewers: FanoutViewers, count: number, jitter = false): Promise<void> {
    for (let joined = 0; joined < count; joined += JOIN_AT_ONCE) {
      const joining = Array.from({ length: Math.min(JOIN_AT_ONCE, count - joined) }, async (_, index) => {
        const viewer = await this.#server.addViewer(viewers.dtlsParameters)
        return viewers.watch({ group: this.name, jitter: jitter && joined + index === 0, ...viewer })
      })
      for (const crypto of await Promise.all(joining)) this.#negotiated.add(crypto)
    }
    this.#viewers.set(viewers, (this.#viewers.get(viewers) ?? 0) + count)
  }

  /** Runs the stream for these times, of which the first is not measured, ms. */
  async play(settleMs: number, windowMs: number): Promise<Played> {
    this.#source.playing = true
    await delay(settleMs)
    const [startedAt, cpuBefore] = [performance.now(), cpuMs(this.pid)]
    const [before, sentBefore] = [await this.#counted(), this.#source.topSent]
    await delay(windowMs)
    const [sent, cpuAfter, wallMs] = [this.#source.topSent, cpuMs(this.pid), performance.now() - startedAt]
    const after = await this.#counted()
    this.#source.playing = false
    return {
      received: after.received - before.received,
      lost: after.lost - before.lost,
      expected: (sent - sentBefore) * this.count,
      gone: this.#server.gone ?? 0,
      cpuMs: cpuAfter - cpuBefore,
      wallMs,
      jitterMs: after.jitterMs,
    }
  }

  /**
   * As {@link play}, for the price of a packet.
   * @throws TooManyViewers
   */
  async measure(settleMs: number, windowMs: number): Promise<Window> {
    const { received, lost, expected, gone, cpuMs: usedMs } = await this.play(settleMs, windowMs)
    if (gone > 0) throw new TooManyViewers(`${this.name}: ${gone} viewers were lost`)
    if (lost > expected * MOST_LOST || received + lost < expected * (1 - MOST_BEHIND))
      throw new TooManyViewers(
        `${this.name}: viewers got ${received} of ${expected} packets of the top layer in time, and lost ${lost}`,
      )
    return { usPerPacket: (usedMs * 1000) / received, rssMb: rssMb(this.pid) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }

  async #counted(): Promise<Counted> {
    const counted = await Promise.all(this.#viewers.keys().map((viewers) => viewers.count(this.name)))
    const jitters = counted.flatMap(({ jitterMs }) => jitterMs ?? [])
    return {
      received: counted.reduce((sum, { received }) => sum + received, 0),
      lost: counted.reduce((sum, { lost }) => sum + lost, 0),
      jitterMs: jitters.length === 0 ? null : Math.max(...jitters),
    }
  }
}
