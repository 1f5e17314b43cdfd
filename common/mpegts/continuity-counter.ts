/** What a packet's continuity counter says about the packets before it. */
export type Continuity = 'ok' | 'duplicate' | 'lost' | 'jump'

/** Follows the 4-bit continuity counter of one PID, ISO/IEC 13818-1 section 2.4.3.3. */
export class ContinuityCounter {
  #last = -1

  /**
   * @param announced the packet's discontinuity_indicator: a jump is then no loss
   * @returns `jump` for an announced discontinuity. `duplicate` is only a suspicion: 15 lost packets look the same.
   */
  check(counter: number, hasPayload: boolean, announced: boolean): Continuity {
    const last = this.#last
    if (!hasPayload) return 'ok'
    this.#last = counter
    if (last < 0 || counter === ((last + 1) & 0x0f)) return 'ok'
    if (announced) return 'jump'
    return counter === last ? 'duplicate' : 'lost'
  }

  reset(): void {
    this.#last = -1
  }
}
