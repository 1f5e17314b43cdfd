import { CONTRADICTED, type MergeDoubts, VERIFIED } from './merge-doubts.ts'
import type { MergeGroup } from './merge-group.ts'
import type { MergeInput } from './merge-input.ts'

/** Units of one input overtake each other by at most this, ms: so long is waited for what every copy has passed. */
const LATE_MS = 20
/** A copy that was silent for this long is not awaited, ms. */
const AWAITED_MS = 1000

/** Lets the units of all copies leave in the order of their times, each once, and waits for what may still come. Pure. */
export class MergeOrder {
  readonly #group: MergeGroup
  readonly #doubts: MergeDoubts
  /** The time of the last unit that left, and of the last that this class sent. */
  #last = Number.NaN
  #sent = Number.NEGATIVE_INFINITY
  #lookAgainMs = Number.POSITIVE_INFINITY
  /** The time of the first unit that is held back because its clock is doubted. */
  #doubtedAt = Number.POSITIVE_INFINITY

  constructor(group: MergeGroup, doubts: MergeDoubts) {
    this.#group = group
    this.#doubts = doubts
  }

  /** When {@link advance} is to be called, ms; infinite while nothing waits. */
  get lookAgainMs(): number {
    return this.#lookAgainMs
  }

  /** Units from this time on may leave. */
  begin(founder: MergeInput, time: number): void {
    this.#last = time - this.#group.within - 1
    this.#sent = this.#last
    founder.next = founder.copies.at(this.#last)
    this.#lookAgainMs = Number.POSITIVE_INFINITY
  }

  /** Whether everything at this time has left, or never will. */
  hasPassed(time: number): boolean {
    return time <= this.#last + this.#group.within
  }

  /** Notes that the unit at this time leaves on another way. @returns false where it has left already */
  passOnce(time: number): boolean {
    if (time <= this.#sent + this.#group.within) return false
    this.#pass(Math.max(this.#last, time))
    return true
  }

  /** Sends what may leave now. */
  advance(nowMs: number): void {
    const { inputs, sink } = this.#group
    for (;;) {
      this.#lookAgainMs = Number.POSITIVE_INFINITY
      this.#doubtedAt = Number.POSITIVE_INFINITY
      let first: MergeInput | null = null
      let index = -1
      for (const each of inputs) {
        const candidate = each.isCopy ? this.#candidate(each, nowMs) : -1
        if (candidate < 0 || (first && each.at(candidate) >= first.at(index))) continue
        first = each
        index = candidate
      }
      if (!first) return
      if (!first.isCopy) continue
      const time = first.at(index)
      const follows = this.#follows(time)
      const untilMs = follows ? nowMs : this.#waitsUntil(first, index, time)
      if (untilMs > nowMs) {
        this.#lookAgainMs = Math.min(this.#lookAgainMs, untilMs)
        return
      }
      const hole = !follows && !this.#isPause(time)
      const handle = first.copies.release(index)
      this.#sent = time
      this.#pass(time)
      sink.send(first.index, handle, time, hole)
    }
  }

  /** A copy's units up to the last that left are not needed. */
  skipPassed(each: MergeInput): void {
    while (each.next < each.copies.to && this.hasPassed(each.at(each.next))) {
      if (each.next >= each.copies.from) this.#group.drop(each, each.next)
      each.next += 1
    }
  }

  #pass(time: number): void {
    this.#last = time
    for (const each of this.#group.inputs) if (each.isCopy) this.skipPassed(each)
  }

  /** @returns the first unit of a copy that could leave; -1 without one */
  #candidate(each: MergeInput, nowMs: number): number {
    const { copies } = each
    for (let index = each.next; index < copies.to; index++) {
      if (!copies.isComplete(index) || !copies.isHeld(index)) continue
      if (index < each.doubtedFrom) return index
      const untilMs = this.#doubts.endMs(each, index)
      if (untilMs === VERIFIED) return index
      if (untilMs === CONTRADICTED) {
        this.#group.leave(each)
        return -1
      }
      const expiresMs = copies.arrival(index) + this.#group.bufferMs
      const believed = untilMs <= nowMs || (expiresMs <= nowMs && this.#doubts.settle(each, nowMs))
      if (believed && !this.#doubts.hasLeft(copies.print(index), this.#last)) {
        this.#doubts.believe(each, index, nowMs)
        return index
      }
      if (!believed && expiresMs > nowMs) {
        this.#doubtedAt = Math.min(this.#doubtedAt, each.at(index))
        this.#lookAgainMs = Math.min(this.#lookAgainMs, untilMs, expiresMs)
        return -1
      }
      this.#group.drop(each, index)
    }
    return -1
  }

  /** Whether nothing is missing between what left last and the unit at `time`: some copy has both, one after the other. */
  #follows(time: number): boolean {
    const { inputs, size } = this.#group
    let step = Number.POSITIVE_INFINITY
    for (const each of inputs) if (each.isCopy && each.step > 0) step = Math.min(step, each.step)
    // Nothing has room in between, whatever the copies lacked.
    if (step < Number.POSITIVE_INFINITY && time - this.#last < step * 1.5) return true
    for (const each of inputs) {
      const index = each.isCopy ? this.#at(each, time) : -1
      if (index < 0 || !this.#isNext(each, index)) continue
      // An ingress can't always see that something was lost: continuity counters of MPEG-TS have four bits.
      if (size === 1 || !each.isFar(index)) return true
    }
    return false
  }

  /** As {@link #follows}, now that no copy is waited for: all that have the unit say that nothing was there. */
  #isPause(time: number): boolean {
    let isPause = false
    for (const each of this.#group.inputs) {
      if (!each.isCopy || each.copies.latest + each.shift < time - this.#group.within) continue
      // A copy that has passed the unit without it has lost something there, and can't tell.
      const index = this.#at(each, time)
      if (index < 0 || !this.#isNext(each, index)) return false
      isPause = true
    }
    return isPause
  }

  /** @returns a copy's unit at this time of the lane; -1 without one */
  #at(each: MergeInput, time: number): number {
    const { within } = this.#group
    const index = each.copies.at(time - within - each.shift, each.next)
    return index < each.copies.to && each.at(index) <= time + within ? index : -1
  }

  /** Whether a copy's unit comes right after one that has left. */
  #isNext(each: MergeInput, index: number): boolean {
    return each.copies.follows(index) && this.hasPassed(each.at(index - 1))
  }

  /** Until when a unit waits for what is missing before it, ms. */
  #waitsUntil(first: MergeInput, index: number, time: number): number {
    const { inputs, within, bufferMs, size } = this.#group
    if (size === 1) return Number.NEGATIVE_INFINITY
    const arrived = first.copies.arrival(index)
    if (this.#doubtedAt < time) return arrived + bufferMs
    let until = arrived + LATE_MS
    for (const { isCopy, copies, shift, next, cameMs } of inputs) {
      if (!isCopy) continue
      const passed = copies.at(time - within - shift, next)
      if (passed < copies.to) until = Math.max(until, copies.arrival(passed) + LATE_MS)
      else if (arrived - cameMs <= Math.max(bufferMs, AWAITED_MS)) return arrived + bufferMs
    }
    return Math.min(until, arrived + bufferMs)
  }
}
