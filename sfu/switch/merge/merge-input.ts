import { MergeCopies, type Unit } from './merge-copies.ts'
import { MergeProof } from './merge-proof.ts'

/** One input of a merge. Its fields belong to {@link Merge}. */
export class MergeInput {
  readonly index: number
  readonly copies = new MergeCopies()
  readonly proof: MergeProof
  /** Its units may leave. */
  isCopy = false
  /** What its times lack to those of the lane, ticks. */
  shift = 0
  /** Index of the first unit after everything that left. */
  next = 0
  /** Units from this index on came after a break of the sound, and nothing says yet that its clock is the same. */
  doubtedFrom = Number.POSITIVE_INFINITY
  /** When that doubt began, ms. */
  doubtedMs = Number.NEGATIVE_INFINITY
  /** Capture time of its time 0, unix ms; NaN without one. */
  origin = Number.NaN
  /** When its last unit came, ms. */
  cameMs = Number.NEGATIVE_INFINITY
  /** Usual distance of two units, ticks. */
  step = 0

  constructor(index: number, kind: 'video' | 'audio', within: number) {
    this.index = index
    this.proof = new MergeProof(kind, within)
  }

  /** The lane's time of a unit. */
  at(index: number): number {
    return this.copies.time(index) + this.shift
  }

  get isDoubted(): boolean {
    return this.doubtedFrom < Number.POSITIVE_INFINITY
  }

  /** Adds a unit. @returns its index */
  insert(unit: Unit, time: number, nowMs: number): number {
    const { copies } = this
    const index = copies.insert(unit, time, nowMs)
    this.next = Math.max(this.next, copies.from)
    if (index < this.doubtedFrom && index < copies.to - 1) this.doubtedFrom += 1
    if (copies.follows(index)) this.#learnStep(copies.time(index) - copies.time(index - 1))
    return index
  }

  /** Steps over pictures that nobody missed must not look usual. */
  #learnStep(step: number): void {
    this.step = this.step === 0 ? step : Math.min(step, this.step * 1.01)
  }

  /** Whether a unit's distance from the unit before is more than the usual one, so that units may be missing. */
  isFar(index: number): boolean {
    const { copies } = this
    return this.step > 0 && copies.time(index) - copies.time(index - 1) > this.step * 1.5
  }
}
