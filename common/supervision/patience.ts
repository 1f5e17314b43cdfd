/** What the kernel says of a process's main thread, the one that speaks for it. */
export interface ThreadSample {
  /** Its state as proc(5) has it: `R` runs or waits for a CPU, `S` sleeps, `D` waits for a disk, `T` was stopped. */
  readonly state: string
  /** CPU time that it has used so far, ms. */
  readonly ranMs: number
  /** Time that it could have run and had to wait for a CPU so far, ms. */
  readonly waitedMs: number
}

/**
 * Tells a process that hangs from one that is slow, by the silence that is its own fault. Pure: time and samples are
 * given in, time in ms of a monotonic clock.
 *
 * - Between two looks no more than `stepMs` count: whoever looks late stood still himself, and heard nobody meanwhile.
 * - Time spent waiting for a CPU or a disk does not count: a starved process is slow.
 * - Time spent running, sleeping or stopped does: it could have spoken, or nobody lets it.
 */
export class Patience {
  readonly #stepMs: number
  #limitMs: number
  #silentMs = 0
  #lookedAt: number
  #spoke = true
  #before: ThreadSample | null = null

  /** @param stepMs how often whoever looks means to look */
  constructor(limitMs: number, stepMs: number, nowMs: number) {
    this.#limitMs = limitMs
    this.#stepMs = stepMs
    this.#lookedAt = nowMs
  }

  /** A sign of life. @param limitMs how much silence is allowed from now on */
  spoke(limitMs = this.#limitMs): void {
    this.#limitMs = limitMs
    this.#spoke = true
  }

  /** Silence so far that was its own, ms. */
  get silentMs(): number {
    return this.#spoke ? 0 : this.#silentMs
  }

  /**
   * Call it every `stepMs`.
   * @param sample is called for a process that said nothing since the last look; null where nothing is known of it
   * @returns whether it hangs
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
    // The kernel counts a wait when it is over: who waits right now is heard first.
    const waits = now?.state === 'R' && before !== null && now.ranMs === before.ranMs
    return this.#silentMs >= this.#limitMs && !waits
  }
}
