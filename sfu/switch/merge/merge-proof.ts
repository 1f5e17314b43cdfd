/** Units with equal content that make an input a copy. */
const NEEDED = { video: 4, audio: 3 } as const
/** Units in a row with the same capture time and different content that are no accident. */
const CLAIMS = 8
/** Units that may stay without a match before matches count no more. */
const PATIENCE = 16
/** So many of a copy's comparisons may fail: a picture that arrived without its end differs, once. */
const DIFFERENT = 4
/** Equal units that make up for one that differed. Fewer would let a publisher slip pictures of its own in for good. */
const AMENDS = 128
/** An input that was refused is looked at again when it has claimed nothing for this long, ms. */
const REFUSED_MS = 60_000

/** What is known about whether an input carries the same units as what is on air. Pure. */
export class MergeProof {
  readonly #needed: number
  readonly #within: number
  #matches = 0
  #shift = 0
  /** Units since the last match. */
  #unmatched = 0
  #claims = 0
  /** Comparisons of a copy that failed, less what others made up for. */
  #differences = 0
  #refusedUntilMs = Number.NEGATIVE_INFINITY

  /** @param within matches must agree about the clocks to so many ticks */
  constructor(kind: keyof typeof NEEDED, within: number) {
    this.#needed = NEEDED[kind]
    this.#within = within
  }

  /** Units matched, and more of them are needed. */
  get isOpen(): boolean {
    return this.#matches > 0
  }

  /** What the input's times lack to those of the lane, by the matches so far, ticks. */
  get shift(): number {
    return this.#shift
  }

  isRefused(nowMs: number): boolean {
    return nowMs < this.#refusedUntilMs
  }

  /** The input's next unit came. Matches that stay without a successor were an accident. */
  next(): void {
    this.#unmatched += 1
    if (this.#unmatched > PATIENCE) this.#matches = 0
  }

  /** A unit had the content of one on air. @returns true when that is proof enough */
  match(shift: number): boolean {
    this.#claims = 0
    this.#unmatched = 0
    const agrees = this.#matches > 0 && Math.abs(shift - this.#shift) <= this.#within
    this.#matches = agrees ? this.#matches + 1 : 1
    if (!agrees) this.#shift = shift
    return this.#matches >= this.#needed
  }

  /** A unit differed from the one on air of the same time. */
  miss(): void {
    this.#matches = 0
  }

  /** As {@link miss}, at the very same capture time. @returns true when the input is refused from now on */
  claim(nowMs: number): boolean {
    this.#matches = 0
    this.#claims += 1
    const refused = this.isRefused(nowMs)
    if (this.#claims < CLAIMS && !refused) return false
    this.#refusedUntilMs = nowMs + REFUSED_MS
    return !refused
  }

  /** Compares a copy's unit with another copy's. @returns true when they are copies no more */
  check(equal: boolean): boolean {
    this.#differences = equal ? Math.max(0, this.#differences - 1 / AMENDS) : this.#differences + 1
    return this.#differences >= DIFFERENT
  }

  refuse(nowMs: number): void {
    this.restart()
    this.#refusedUntilMs = nowMs + REFUSED_MS
  }

  /** Nothing is known any more, but refusals stay. */
  restart(): void {
    this.#matches = 0
    this.#claims = 0
    this.#differences = 0
  }

  /** Another input has this place. */
  forget(): void {
    this.restart()
    this.#refusedUntilMs = Number.NEGATIVE_INFINITY
  }
}
