import type { FlowEvent } from './rist-receiver.ts'

/** A sender that is not back this long after a receiver was opened again is lost, ms. librist may take 3 s. */
const BACK_WITHIN_MS = 5000

/**
 * Follows one stream's flow through receivers that are opened again, because for a new receiver every flow is the
 * first. Pure: callers give the time, in ms of any monotonic clock.
 */
export class FlowIdentity {
  #flowId: number | null = null
  #reopenedAt: number | null = null
  #lost = false

  /** The receiver was opened again. */
  reopened(nowMs: number): void {
    this.#reopenedAt = nowMs
  }

  /** What an event of the receiver means for the stream; null when it means nothing. */
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

  /** True once, when no sender came back to a receiver that was opened again. */
  lostAt(nowMs: number): boolean {
    if (this.#reopenedAt === null || nowMs - this.#reopenedAt < BACK_WITHIN_MS) return false
    this.#reopenedAt = null
    if (this.#flowId === null || this.#lost) return false
    this.#lost = true
    return true
  }
}
