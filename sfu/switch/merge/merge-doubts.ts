import type { MergeGroup } from './merge-group.ts'
import type { MergeInput } from './merge-input.ts'

/** Another copy has the same unit. */
export const VERIFIED = Number.NEGATIVE_INFINITY
/** Another copy has something else in a unit's place. */
export const CONTRADICTED = Number.POSITIVE_INFINITY

/**
 * Sound has no capture times: after a break nobody knows whether its clock is still the same, or that of a new process.
 * Units after a break are doubted until another copy shows the same, or something else. Pure.
 */
export class MergeDoubts {
  readonly #group: MergeGroup

  constructor(group: MergeGroup) {
    this.#group = group
  }

  /** A copy's next unit came. */
  note(each: MergeInput, index: number, nowMs: number): void {
    if (this.#group.size === 1 || index >= each.doubtedFrom || !this.#breaks(each, index)) return
    each.doubtedFrom = index
    each.doubtedMs = nowMs
  }

  /** The clock is known with this unit, and up to the next break. */
  believe(each: MergeInput, from: number, nowMs: number): void {
    const index = this.#breakAfter(each, from)
    each.doubtedFrom = index < each.copies.to ? index : Number.POSITIVE_INFINITY
    each.doubtedMs = nowMs
  }

  /** Whether the clock is the same with this unit and with the newest. What is alone on air may break and is not doubted. */
  isSure(each: MergeInput, index: number): boolean {
    return index < each.doubtedFrom && this.#breakAfter(each, index) === each.copies.to
  }

  /**
   * Two copies have units at the same time.
   * @returns false where there was no doubt about them
   */
  compare(each: MergeInput, index: number, other: MergeInput, match: number, nowMs: number): boolean {
    const eachDoubted = index >= each.doubtedFrom
    const otherDoubted = match >= other.doubtedFrom
    if (!eachDoubted && !otherDoubted) return false
    if (each.copies.print(index) !== other.copies.print(match)) {
      // Where both are doubted, time settles it.
      if (eachDoubted !== otherDoubted) this.#group.leave(eachDoubted ? each : other)
    } else if (each.copies.isDistinct(index)) {
      if (eachDoubted) this.believe(each, index, nowMs)
      if (otherDoubted) this.believe(other, match, nowMs)
    }
    return true
  }

  /** Finds doubted units that another copy has at another time: their input leaves. */
  findMoved(each: MergeInput, index: number): void {
    const { copies } = each
    if (!copies.isDistinct(index)) return
    for (const other of this.#group.inputs) {
      const doubted = index >= each.doubtedFrom
      if (other === each || !other.isCopy || (!doubted && !other.isDoubted)) continue
      const match = other.copies.byPrint(copies.print(index))
      if (match < 0 || Math.abs(other.at(match) - each.at(index)) <= this.#group.within) continue
      if (match >= other.doubtedFrom) {
        if (!doubted) this.#group.leave(other)
      } else if (doubted) return this.#group.leave(each)
    }
  }

  /**
   * When a doubted unit may leave, ms: at once if another copy has the same, or when there is no other copy any more.
   * @returns also {@link VERIFIED} or {@link CONTRADICTED}
   */
  endMs(each: MergeInput, index: number): number {
    const { inputs, within, bufferMs } = this.#group
    let until = 0
    for (const other of inputs) {
      if (other === each || !other.isCopy) continue
      const { copies } = other
      const time = each.at(index) - other.shift
      const match = this.#group.unitAt(other, time)
      if (match >= 0 && copies.isComplete(match)) {
        if (copies.print(match) === each.copies.print(index)) return VERIFIED
        if (match < other.doubtedFrom) return CONTRADICTED
      }
      const after = copies.at(time - within)
      const isSure = after < Math.min(copies.to, other.doubtedFrom) && copies.follows(after)
      if (match < 0 && isSure) return CONTRADICTED
      until = Math.max(until, other.cameMs + bufferMs)
    }
    return until
  }

  /** Where all copies are doubted and do not agree, the one that was believed last is right, and goes on alone. */
  settle(each: MergeInput, nowMs: number): boolean {
    const { inputs, bufferMs } = this.#group
    for (const other of inputs) {
      if (!other.isCopy || nowMs - other.cameMs > bufferMs) continue
      if (!other.isDoubted || other.doubtedMs > each.doubtedMs) return false
    }
    for (const other of inputs) if (other.isCopy && other !== each) this.#group.leave(other)
    return true
  }

  /** Whether something with this content left already: nothing later than `last` did. */
  hasLeft(print: number, last: number): boolean {
    for (const { copies, shift } of this.#group.inputs) {
      const index = copies.byPrint(print)
      if (index >= 0 && copies.time(index) + shift <= last + this.#group.within) return true
    }
    return false
  }

  /** @returns the index of the first unit after this one that breaks the sound, or the index after the newest */
  #breakAfter(each: MergeInput, from: number): number {
    let index = from + 1
    while (index < each.copies.to && !this.#breaks(each, index)) index += 1
    return index
  }

  /** Whether sound begins anew with this unit. */
  #breaks({ copies, step }: MergeInput, index: number): boolean {
    if (index === copies.from) return false
    if (!copies.follows(index)) return true
    return Math.abs(copies.time(index) - copies.time(index - 1) - step) > this.#group.within
  }
}
