import type { FlowEvent } from './rist-receiver.ts'

/** A sender is back this long after a receiver was opened anew, or it is lost, ms. librist may take 3 s. */
const BACK_WITHIN_MS = 5000

/**
 * Follows one stream's flow through receivers that are opened anew: to a new receiver every flow is the first. Pure:
 * time is given in, in ms of any monotonic clock.
 */
export class FlowIdentity {
  #flowId: number | null = null
  #reopenedAt: number | null = null
  #lost = false

  /** The receiver was opened anew. */
  reopened(nowMs: number): void {
    this.#reopenedAt = nowMs
  }

  /** What an event of the receiver means for the stream; null when nothing has happened to it. */
  meaning({ type, flowId }: FlowEvent): FlowEvent['type'] | null {
    const known = this.#flowId
    const first = type === 'connected' && known !== null
    const wasLost = this.#lost
    this.#flowId = flowId
    this.#reopenedAt = null
    this.#lost = type === 'lost'
    if (!first) return type
    if (flowId !== known) return 'replaced'
    return wasLost ? 'returned' : null
  }

  /** True once, when nobody came back to a receiver that was opened anew. */
  lostAt(nowMs: number): boolean {
    if (this.#reopenedAt === null || nowMs - this.#reopenedAt < BACK_WITHIN_MS) return false
    this.#reopenedAt = null
    if (this.#flowId === null || this.#lost) return false
    this.#lost = true
    return true
  }
}
