import type { Clock } from '../../common/clock.ts'

/** The clocks of a machine whose wall clock a test sets; time goes on by itself unless it stands. */
export class SetClock implements Clock {
  /** How far the wall is ahead of the steady clock, ms. */
  aheadMs = 0

  readonly wall = (): number => Math.floor(this.steady() + this.aheadMs)
  readonly steady = (): number => performance.timeOrigin + performance.now()
}
