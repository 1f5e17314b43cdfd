/** Two faces of time. Both count ms from the Unix epoch, and agree until the machine's clock is set. */
export interface Clock {
  /** What the machine's clock shows: for what is shown, stored, or compared with others' clocks. It steps when it is set. */
  wall(): number
  /**
   * What the machine's clock would show, had nobody set it since the process began: for how long things last and how
   * old they are. It never steps. Linux does not count sleep here (CLOCK_MONOTONIC): after it, the wall is ahead.
   */
  steady(): number
}

export const SYSTEM_CLOCK: Clock = {
  // Looked up at each call: a test's process may have a clock of its own.
  wall: () => Date.now(),
  steady: () => performance.timeOrigin + performance.now(),
}

/** ms of the monotonic clock that all processes of the machine share; it says nothing of the date, and never steps. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** What this process's steady clock is ahead of `machineMs`, whole ms: other processes' began at other times. */
export const STEADY_BASE_MS = Math.round(SYSTEM_CLOCK.steady() - machineMs())

/** Less than this is no step: reading two clocks takes a moment, and `Date.now()` has whole ms. */
const STEP_MS = 250

/** A steady time as the machine's clock shows it now, whole ms. */
export function wallOf(clock: Clock, steadyMs: number): number {
  return Math.round(steadyMs + stepped(clock, 0))
}

/** A time by the machine's clock as the steady clock has it. */
export function steadyOf(clock: Clock, wallMs: number): number {
  return wallMs - stepped(clock, 0)
}

/**
 * The machine's clock with the grain of the steady one, ms: it goes on evenly while the clock is only slewed, and follows
 * where it is stepped. For times that other machines compare with theirs.
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

/** How far the wall is ahead of the steady clock: as before, but for a step. */
function stepped({ wall, steady }: Clock, before: number): number {
  const ahead = wall() - steady()
  return Math.abs(ahead - before) < STEP_MS ? before : ahead
}

/** How often the two clocks are compared, ms. */
const LOOK_EVERY_MS = 1000

/** Notices when the machine's clock is set, or when the machine slept. */
export class ClockWatch implements Disposable {
  readonly #timer: NodeJS.Timeout
  readonly #clock: Clock
  readonly #onStep: (ms: number) => void
  #aheadMs: number

  /** @param onStep gets by how much the wall stepped, ms: below zero, back */
  constructor(onStep: (ms: number) => void, clock: Clock = SYSTEM_CLOCK) {
    this.#clock = clock
    this.#onStep = onStep
    this.#aheadMs = clock.wall() - clock.steady()
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref()
  }

  /** Looks now. */
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
