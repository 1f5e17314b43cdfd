/** How long the earliest arrival counts, ms: two halves, so that it never falls out all at once. */
const HALF_MS = 2000
/** How fast the correction follows a clock that drifts, ms a buffer. Faster would be seen and heard. */
const STEP_MS = 0.2
/** A leap of the source's clock by more than this is followed at once, ms. */
const LEAP_MS = 500

/**
 * Moves the times of a source whose clock says nothing about capture, such as MPEG-TS over SRT, to the time of arrival:
 * the picture that came soonest after its time was captured when it arrived. Pictures and sound move alike, and stay
 * together. Pure.
 */
export class ArrivalClock {
  #present = Number.NEGATIVE_INFINITY
  #before = Number.NEGATIVE_INFINITY
  #halfFrom = Number.NEGATIVE_INFINITY
  #movedMs: number | null = null

  /**
   * @param timeMs the source's time of a buffer, Unix ms
   * @param nowMs when it arrived, Unix ms
   * @returns what to add to its time, ms
   */
  move(timeMs: number, nowMs: number): number {
    const aheadMs = timeMs - nowMs
    if (nowMs - this.#halfFrom >= HALF_MS || nowMs < this.#halfFrom) {
      this.#before = this.#present
      this.#present = Number.NEGATIVE_INFINITY
      this.#halfFrom = nowMs
    }
    this.#present = Math.max(this.#present, aheadMs)
    const wanted = -Math.max(this.#present, this.#before)
    const away = this.#movedMs === null ? 0 : wanted - this.#movedMs
    // A time ahead of now would be a picture of the future: that is put right at once.
    if (this.#movedMs === null || Math.abs(away) > LEAP_MS || away < 0) this.#movedMs = wanted
    else this.#movedMs += Math.min(STEP_MS, away)
    return this.#movedMs
  }
}
