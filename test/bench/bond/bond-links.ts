import { performance } from 'node:perf_hooks'
import { type ImpairedLink, openImpairedLink } from '../../support/impaired-link.ts'
import type { LinkSample, PlayedTrace } from '../../support/link-traces/link-trace.ts'

/** How often a link is made what its trace says, and how often what passed is counted, ms. */
const PLAY_EVERY_MS = 200
const COUNT_EVERY_MS = 50
/** A link is left when it is offered less than this share of the packets of the second before... */
const LEFT_SHARE = 0.15
/** ...for so long, ms. */
const LEFT_FOR_MS = 400

interface Counted {
  readonly atMs: number
  readonly received: number
}

/** Links that do what a trace says, and know what was offered to them. */
export class BondLinks implements AsyncDisposable {
  readonly #trace: PlayedTrace
  readonly #links: readonly ImpairedLink[]
  readonly #counts: Counted[][]
  readonly #timers: NodeJS.Timeout[] = []
  readonly #samples: (LinkSample | undefined)[] = []
  #startedAt = 0

  /** @param ports of the receiver */
  static async open(trace: PlayedTrace, ports: readonly number[]): Promise<BondLinks> {
    await using stack = new AsyncDisposableStack()
    const links: ImpairedLink[] = []
    for (const [index, targetPort] of ports.entries())
      links.push(stack.use(await openImpairedLink({ targetPort, seed: index + 1 })))
    const opened = new BondLinks(trace, links, stack.move())
    await opened.#play(0)
    return opened
  }

  readonly #owned: AsyncDisposableStack

  private constructor(trace: PlayedTrace, links: readonly ImpairedLink[], owned: AsyncDisposableStack) {
    this.#trace = trace
    this.#links = links
    this.#owned = owned
    this.#counts = links.map(() => [])
  }

  /** Where a sender sends to. */
  get ports(): readonly number[] {
    return this.#links.map(({ port }) => port)
  }

  /** The trace begins. */
  start(): void {
    this.#startedAt = performance.now()
    const play = () => void this.#play(performance.now() - this.#startedAt).catch(() => {})
    const count = () => void this.#count().catch(() => {})
    this.#timers.push(setInterval(play, PLAY_EVERY_MS), setInterval(count, COUNT_EVERY_MS))
  }

  /**
   * What all links offered on the wire, kb/s on average, while their packets could come in time.
   * @param patienceMs a link that is slower than the fastest by more than this offers nothing
   */
  offeredKbps(seconds: number, patienceMs: number): number {
    let kbit = 0
    for (let atMs = 0; atMs < seconds * 1000; atMs += PLAY_EVERY_MS) {
      const samples = this.#links.map((_, link) => this.#trace.at(link, atMs).forward)
      const alive = samples.filter(({ blackhole }) => !blackhole)
      const fastest = Math.min(...alive.map(({ delayMs }) => delayMs))
      for (const { offersKbps, delayMs } of alive)
        if (delayMs - fastest <= patienceMs) kbit += (offersKbps * PLAY_EVERY_MS) / 1000
    }
    return kbit / seconds
  }

  /** How long a link was still offered packets after it had vanished at this time of the trace, ms; null: all the time. */
  leftAfterMs(link: number, vanishedMs: number): number | null {
    const counts = this.#counts[link]!
    const at = (ms: number): number => counts.findLast(({ atMs }) => atMs <= ms)?.received ?? 0
    const perMs = (at(vanishedMs) - at(vanishedMs - 1000)) / 1000
    const left = counts.find(
      ({ atMs, received }) =>
        atMs >= vanishedMs && at(atMs + LEFT_FOR_MS) - received <= perMs * LEFT_FOR_MS * LEFT_SHARE,
    )
    return left ? Math.round(left.atMs - vanishedMs) : null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#owned.disposeAsync()
  }

  async #play(atMs: number): Promise<void> {
    for (const [index, link] of this.#links.entries()) {
      const { forward, backward } = this.#trace.at(index, atMs)
      if (this.#samples[index] === forward) continue
      this.#samples[index] = forward
      await link.set({ forward, backward })
    }
  }

  async #count(): Promise<void> {
    for (const [index, link] of this.#links.entries()) {
      const { forward } = await link.counters()
      this.#counts[index]!.push({ atMs: performance.now() - this.#startedAt, received: forward.received })
    }
  }
}
