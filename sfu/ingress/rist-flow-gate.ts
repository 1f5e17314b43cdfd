import { Cadence } from './cadence.ts'

/**
 * Decides which of the flows that arrive for one stream is the stream. Pure: callers give the time, in ms of any
 * monotonic clock.
 *
 * A restarted sender has a new flow id (VSF TR-06-1 section 5.1.1: the RTP SSRC), and so has a second sender for the
 * same stream. The difference: with a second sender, the present flow still delivers.
 */

/** A flow that delivered within this time is alive, and another flow is a second sender, ms. */
export const ALIVE_MS = 400
/** A flow that was silent for this long is lost, unless the flow makes pauses, ms. */
export const LOST_MS = 1000

export type FlowVerdict =
  /** belongs to the stream */
  | 'deliver'
  /** belongs to the stream, and is the first data of its first flow */
  | 'connected'
  /** belongs to the stream, and is the first data after the flow was reported lost */
  | 'returned'
  /** belongs to the stream, and is the first data of a new flow: everything downstream starts anew */
  | 'replaced'
  /** comes from a second sender */
  | 'refused'

/** A flow with pauses is alive if it delivered within this many of them. */
const ALIVE_PAUSES = 1.5

export class FlowGate {
  readonly #cadence = new Cadence()
  #flowId: number | undefined
  #lastAt = 0
  #lost = false

  /** The flow that is the stream now. */
  get flowId(): number | undefined {
    return this.#flowId
  }

  /** What to do with data of `flowId` that came at `nowMs`. */
  judge(flowId: number, nowMs: number): FlowVerdict {
    const verdict = this.#verdict(flowId, nowMs)
    if (verdict === 'refused') return verdict
    this.#flowId = flowId
    this.#lastAt = nowMs
    this.#lost = false
    this.#cadence.arrived(nowMs)
    return verdict
  }

  #verdict(flowId: number, nowMs: number): FlowVerdict {
    if (this.#flowId === undefined) return 'connected'
    if (this.#flowId === flowId) return this.#lost ? 'returned' : 'deliver'
    const aliveMs = Math.max(ALIVE_MS, ALIVE_PAUSES * this.#cadence.pauseMs)
    return nowMs - this.#lastAt < aliveMs ? 'refused' : 'replaced'
  }

  /**
   * True once, when the flow has been silent for LOST_MS, or for longer than its own pauses.
   * @param connected its sender keeps the connection up although nothing comes
   */
  lostAt(nowMs: number, connected: boolean): boolean {
    const patienceMs = connected ? this.#cadence.patienceMs(LOST_MS) : LOST_MS
    if (this.#flowId === undefined || this.#lost || nowMs - this.#lastAt < patienceMs) return false
    this.#lost = true
    return true
  }
}

/**
 * A clock that stands still while the event loop does: packets that queued up during a stall must not look as if their
 * sender had been silent. Advances by at most `stepMs` between two ticks.
 */
export class StallFreeClock {
  readonly #stepMs: number
  #elapsed = 0
  #lastTick: number

  constructor(nowMs: number, stepMs: number) {
    this.#lastTick = nowMs
    this.#stepMs = stepMs
  }

  at(nowMs: number): number {
    return this.#elapsed + Math.min(nowMs - this.#lastTick, this.#stepMs)
  }

  tick(nowMs: number): void {
    this.#elapsed = this.at(nowMs)
    this.#lastTick = nowMs
  }
}
