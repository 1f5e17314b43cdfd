/** The kernel's facts about a process's main thread, which speaks for the process. */
export interface ThreadSample {
  /** State as in proc(5): `R` runs or waits for a CPU, `S` sleeps, `D` waits for a disk, `T` was stopped. */
  readonly state: string
  /** CPU time used so far, ms. */
  readonly ranMs: number
  /** Time spent ready to run and waiting for a CPU so far, ms. */
  readonly waitedMs: number
}

/**
 * Tells a process that hangs from one that is slow, by the silence that is the process's own fault. Pure: callers give
 * time and samples, time in ms of a monotonic clock.
 *
 * - Between two looks at most `stepMs` count: a late looker stood still itself, and heard nobody meanwhile.
 * - Time spent waiting for a CPU or a disk does not count: a starved process is slow.
 * - Time spent running, sleeping or stopped counts: the process could have spoken, or somebody stopped it.
 */
export class Patience {
  readonly #stepMs: number
  #limitMs: number
  #silentMs = 0
  #lookedAt: number
  #spoke = true
  #before: ThreadSample | null = null

  /** @param stepMs the intended time between looks */
  constructor(limitMs: number, stepMs: number, nowMs: number) {
    this.#limitMs = limitMs
    this.#stepMs = stepMs
    this.#lookedAt = nowMs
  }

  /** The process gave a sign of life. @param limitMs how much silence is allowed from now on */
  spoke(limitMs = this.#limitMs): void {
    this.#limitMs = limitMs
    this.#spoke = true
  }

  /** Silence so far by the process's own fault, ms. */
  get silentMs(): number {
    return this.#spoke ? 0 : this.#silentMs
  }

  /**
   * Call it every `stepMs`.
   * @param sample called for a process that was silent since the last look; null where nothing is known of it
   * @returns whether the process hangs
   */
  look(nowMs: number, sample: () => ThreadSample | null): boolean {
    const elapsed = Math.min(nowMs - this.#lookedAt, this.#stepMs)
    this.#lookedAt = nowMs
    if (this.#spoke) {
      this.#spoke = false
      this.#silentMs = 0
      this.#before = null
      return false
    }
    const before = this.#before
    const now = sample()
    this.#before = now
    if (now?.state === 'D') return false
    const waited = now && before ? now.waitedMs - before.waitedMs : 0
    this.#silentMs = Math.max(0, this.#silentMs + elapsed - waited)
    // The kernel counts a wait when it is over. A process that waits right now gets its chance first.
    const waits = now?.state === 'R' && before !== null && now.ranMs === before.ranMs
    return this.#silentMs >= this.#limitMs && !waits
  }
}
