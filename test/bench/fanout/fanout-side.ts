import { setTimeout as delay } from 'node:timers/promises'
import type { types } from 'mediasoup'
import { cpuMs } from '../cpu-clock.ts'
import { rssMb } from '../process-usage.ts'
import type { SrtpProfile, ViewerOrder } from './fanout-protocol.ts'
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
  addViewer(dtlsParameters: types.DtlsParameters): Promise<FanoutViewer>
}

/** What a viewer must know. */
export type FanoutViewer = Omit<ViewerOrder, 'type' | 'id' | 'group'>

/** @param rtpPort of loopback, from which the stream's RTP comes */
export type OpenServer = (rtpPort: number, renditions: number) => Promise<FanoutServer>

export interface Window {
  /** CPU of the sending process for one packet to one viewer, microseconds. */
  readonly usPerPacket: number
  readonly rssMb: number
}

/** A server with its viewers, and the means to measure it. */
export class FanoutSide implements AsyncDisposable {
  readonly name: string
  /** What all its viewers negotiated. */
  readonly crypto: SrtpProfile
  readonly #server: FanoutServer
  readonly #source: PictureSource
  readonly #viewers: FanoutViewers
  readonly #count: number
  readonly #owned: AsyncDisposableStack

  private constructor(
    name: string,
    crypto: SrtpProfile,
    server: FanoutServer,
    source: PictureSource,
    viewers: FanoutViewers,
    count: number,
    owned: AsyncDisposableStack,
  ) {
    this.name = name
    this.crypto = crypto
    this.#server = server
    this.#source = source
    this.#viewers = viewers
    this.#count = count
    this.#owned = owned
  }

  /** Opens the server, and makes `count` viewers watch. */
  static async open(
    name: string,
    openServer: OpenServer,
    { viewers, count, renditions }: { viewers: FanoutViewers; count: number; renditions: number },
  ): Promise<FanoutSide> {
    await using stack = new AsyncDisposableStack()
    const source = stack.use(await PictureSource.open())
    const server = stack.use(await openServer(source.port, renditions))
    const kbps = [RENDITION_KBPS.low, RENDITION_KBPS.top].slice(-renditions)
    source.feed(server.inputs.map((input, index) => ({ ...input, kbps: kbps[index]! })))
    const negotiated = new Set<SrtpProfile>()
    for (let joined = 0; joined < count; joined += JOIN_AT_ONCE) {
      const joining = Array.from({ length: Math.min(JOIN_AT_ONCE, count - joined) }, async () =>
        viewers.watch({ group: name, ...(await server.addViewer(viewers.dtlsParameters)) }),
      )
      for (const crypto of await Promise.all(joining)) negotiated.add(crypto)
    }
    const [crypto] = negotiated
    if (!crypto || negotiated.size > 1)
      throw new Error(`${name}: viewers negotiated ${[...negotiated].join(' and ')}`)
    return new FanoutSide(name, crypto, server, source, viewers, count, stack.move())
  }

  /** Runs the stream for this time and measures nothing, ms. */
  async play(forMs: number): Promise<void> {
    this.#source.playing = true
    await delay(forMs)
    this.#source.playing = false
  }

  /**
   * Runs the stream for this time, of which the first part is not measured, ms.
   * @throws TooManyViewers
   */
  async measure(settleMs: number, windowMs: number): Promise<Window> {
    const { pid } = this.#server
    this.#source.playing = true
    await delay(settleMs)
    const [cpuBefore, before, sentBefore] = [cpuMs(pid), await this.#counted(), this.#source.topSent]
    await delay(windowMs)
    const [sent, cpuAfter, after] = [this.#source.topSent, cpuMs(pid), await this.#counted()]
    this.#source.playing = false
    const [received, lost] = [after.received - before.received, after.lost - before.lost]
    const expected = (sent - sentBefore) * this.#count
    if (lost > expected * MOST_LOST || received + lost < expected * (1 - MOST_BEHIND))
      throw new TooManyViewers(
        `${this.name}: viewers got ${received} of ${expected} packets of the top layer in time, and lost ${lost}`,
      )
    return { usPerPacket: ((cpuAfter - cpuBefore) * 1000) / received, rssMb: rssMb(pid) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync()
  }

  #counted() {
    return this.#viewers.count(this.name)
  }
}
