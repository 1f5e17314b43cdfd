/** The two readings of time. Both count ms from the Unix epoch and agree until the machine's clock is set. */
export interface Clock {
  /** The machine's clock, for times that are shown, stored, or compared with other machines. It can step. */
  wall(): number
  /**
   * The machine's clock as if nobody had set it since the process began: for durations and ages. The steady clock never
   * steps. Linux does not count sleep here (CLOCK_MONOTONIC): after a sleep, the wall clock is ahead.
   */
  steady(): number
}

export const SYSTEM_CLOCK: Clock = {
  // Looked up at each call: a test's process may have a clock of its own.
  wall: () => Date.now(),
  steady: () => performance.timeOrigin + performance.now(),
}

/** ms of the monotonic clock that all processes of the machine share. It is no date, and never steps. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** How far this process's steady clock is ahead of `machineMs`, whole ms. Each process began at another time. */
export const STEADY_BASE_MS = Math.round(SYSTEM_CLOCK.steady() - machineMs())

/** A smaller difference is no step: reading two clocks takes a moment, and `Date.now()` has whole ms. */
const STEP_MS = 250

/** A steady time, converted to the machine's clock of now, whole ms. */
export function wallOf(clock: Clock, steadyMs: number): number {
  return Math.round(steadyMs + stepped(clock, 0))
}

/** A time of the machine's clock, converted to the steady clock. */
export function steadyOf(clock: Clock, wallMs: number): number {
  return wallMs - stepped(clock, 0)
}

/**
 * The machine's clock with the resolution of the steady clock, ms. It runs evenly while the machine's clock is slewed,
 * and follows steps. For times that other machines compare with theirs.
 */
export class FineWall {
  readonly #clock: Clock
  #aheadMs = 0

  constructor(clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock
    this.#aheadMs = stepped(clock, 0)
  }

  now(): number {
    this.#aheadMs = stepped(this.#clock, this.#aheadMs)
    return this.#clock.steady() + this.#aheadMs
  }
}

/** How far the wall clock is ahead of the steady clock: `before`, unless the wall clock stepped. */
function stepped({ wall, steady }: Clock, before: number): number {
  const ahead = wall() - steady()
  return Math.abs(ahead - before) < STEP_MS ? before : ahead
}

/** How often `ClockWatch` compares the two clocks, ms. */
const LOOK_EVERY_MS = 1000

/** Notices when the machine's clock is set, or when the machine slept. */
export class ClockWatch implements Disposable {
  readonly #timer: NodeJS.Timeout
  readonly #clock: Clock
  readonly #onStep: (ms: number) => void
  #aheadMs: number

  /** @param onStep gets the size of the step, ms; negative for a step back */
  constructor(onStep: (ms: number) => void, clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock
    this.#onStep = onStep
    this.#aheadMs = clock.wall() - clock.steady()
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref()
  }

  /** Compares the clocks now. */
  look(): void {
    const before = this.#aheadMs
    const ahead = stepped(this.#clock, before)
    this.#aheadMs = ahead
    if (ahead !== before) this.#onStep(Math.round(ahead - before))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
