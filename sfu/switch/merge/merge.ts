import type { Unit } from './merge-copies.ts'
import { MergeDoubts } from './merge-doubts.ts'
import { MergeGroup, type MergeOptions, SAME_MS } from './merge-group.ts'
import type { MergeInput } from './merge-input.ts'
import { MergeOrder } from './merge-order.ts'

/** Two inputs claim the same capture time when it is equal to within this, ms: two ticks of a PTS. */
const CLAIMED_MS = 0.025
/** An input that stepped back by more than this began anew, ms. */
const BACK_MS = 5000

/**
 * Makes one stream of the copies of one rendition, or of the sound, that several inputs carry. The first complete copy
 * of a unit leaves at once; where that copy's input lacks units before it, the unit waits until another copy brings
 * them. Inputs are merged only after several of their units were equal: pictures under the same capture time, Opus
 * packets in the same rhythm. Pure: no clock, no I/O. The bytes stay with the caller; each handle comes back once, by
 * `send` or by `drop`.
 */
export class Merge {
  readonly #group: MergeGroup
  readonly #doubts: MergeDoubts
  readonly #order: MergeOrder

  constructor(options: MergeOptions) {
    this.#group = new MergeGroup(options)
    this.#doubts = new MergeDoubts(this.#group)
    this.#order = new MergeOrder(this.#group, this.#doubts)
  }

  /** When {@link look} is to be called, ms by the clock of `nowMs`; infinite while nothing waits. */
  get lookAgainMs(): number {
    return this.#order.lookAgainMs
  }

  /** Number of inputs that are merged: 1 where what is on air has no copy, 0 while nothing is on air. */
  get copies(): number {
    return this.#group.size
  }

  /** Whether units of this input may leave: it is on air, or a copy of what is. */
  isCopy(input: number): boolean {
    return this.#input(input).isCopy
  }

  /** Whether the bytes of this input's next unit are to be kept. What is alone on air leaves packet by packet. */
  needsBytes(input: number): boolean {
    const { isCopy, proof } = this.#input(input)
    return isCopy ? this.#group.size > 1 : proof.isOpen
  }

  /** What this copy's RTP times lack to those of the input that was on air at first, ticks. */
  shiftOf(input: number): number {
    return this.#input(input).shift
  }

  /**
   * This input is on air from now on, from the unit with this RTP timestamp: a keyframe, or any sound. Copies of it are
   * found anew.
   */
  begin(input: number, timestamp: number): void {
    const each = this.#input(input)
    this.#group.found(each)
    this.#order.begin(each, each.copies.unwrap(timestamp))
  }

  /** Nothing is on air. */
  end(): void {
    this.#group.dissolve()
  }

  /**
   * The unit of a copy with this RTP timestamp leaves by itself, packet by packet. No copy of it leaves then.
   * @returns false where a copy of it has left: then it must not leave
   */
  leaving(input: number, timestamp: number): boolean {
    const { isCopy, copies, shift } = this.#input(input)
    return isCopy && this.#order.passOnce(copies.unwrap(timestamp) + shift)
  }

  /** The input is no copy any more, whatever its units say. */
  part(input: number, nowMs: number): void {
    this.#group.leave(this.#input(input))
    this.#order.advance(nowMs)
  }

  /** The input's stream ended, or another one has its place. */
  forget(input: number, nowMs: number): void {
    const each = this.#input(input)
    this.#beginAnew(each)
    each.proof.forget()
    this.#order.advance(nowMs)
  }

  /** Takes the next unit of an input. The object is not kept. */
  push(unit: Unit, nowMs: number): void {
    const each = this.#input(unit.input)
    const { copies } = each
    const time = copies.unwrap(unit.timestamp)
    if (time < copies.latest - BACK_MS * this.#group.ticksPerMs) this.#beginAnew(each)
    else if (this.#clockMoved(each, unit, time)) this.#restart(each)
    each.cameMs = nowMs
    if (copies.isFull) this.#group.drop(each, copies.from)
    const index = each.insert(unit, time, nowMs)
    if (each.isCopy) this.#pushCopy(each, index, nowMs)
    else this.#pushOther(each, index, nowMs)
    this.#order.advance(nowMs)
  }

  /** Lets go what has waited long enough. */
  look(nowMs: number): void {
    this.#order.advance(nowMs)
  }

  #input(index: number): MergeInput {
    return this.#group.inputs[index]!
  }

  #pushCopy(each: MergeInput, index: number, nowMs: number): void {
    const { inputs, isVideo, size } = this.#group
    if (this.#order.hasPassed(each.at(index))) {
      this.#group.drop(each, index)
      this.#order.skipPassed(each)
    }
    if (!isVideo) this.#doubts.note(each, index, nowMs)
    if (!each.copies.isComplete(index)) return
    if (!isVideo) this.#doubts.findMoved(each, index)
    if (each.isCopy) this.#check(each, index, nowMs)
    if (!each.isCopy || size === inputs.length) return
    for (const other of inputs) {
      if (other.isCopy) continue
      const match = this.#counterpart(other, each, index)
      if (match >= 0 && other.copies.compare(match)) this.#compare(other, match, each, index, nowMs)
    }
  }

  #pushOther(each: MergeInput, index: number, nowMs: number): void {
    const { copies, proof } = each
    proof.next()
    for (const other of copies.isComplete(index) ? this.#group.inputs : []) {
      const match = other.isCopy ? this.#counterpart(other, each, index) : -1
      if (match < 0) continue
      copies.compare(index)
      this.#compare(each, index, other, match, nowMs)
      break
    }
    if (each.isCopy) return
    if (!proof.isOpen) this.#group.release(each)
    else if (this.#order.hasPassed(copies.time(index) + proof.shift)) this.#group.drop(each, index)
  }

  /** @returns the unit of `other` that a copy of this unit would be; -1 without one */
  #counterpart(other: MergeInput, each: MergeInput, index: number): number {
    const { copies } = each
    if (this.#group.isVideo) return other.copies.byCapture(copies.capture(index), SAME_MS)
    if (!copies.isDistinct(index)) return -1
    const { proof } = each.isCopy ? other : each
    if (!proof.isOpen) return other.copies.byPrint(copies.print(index))
    const time = each.isCopy ? each.at(index) - proof.shift : copies.time(index) + proof.shift - other.shift
    return this.#group.unitAt(other, time)
  }

  /** Compares a unit of an input that is no copy yet with one of a copy. */
  #compare(each: MergeInput, index: number, copy: MergeInput, match: number, nowMs: number): void {
    const { copies, proof } = each
    const { isVideo, sink } = this.#group
    if (!copy.copies.isComplete(match) || !copies.isComplete(index)) return
    if (!isVideo && !this.#doubts.isSure(copy, match)) return
    if (copies.print(index) === copy.copies.print(match)) {
      const proven = proof.match(copy.at(match) - copies.time(index))
      if (proven && !proof.isRefused(nowMs) && this.#group.mayJoin(each.index)) this.#join(each, index, nowMs)
      return
    }
    const claims = isVideo && Math.abs(copies.capture(index) - copy.copies.capture(match)) <= CLAIMED_MS
    if (!claims) proof.miss()
    else if (proof.claim(nowMs)) sink.refused(each.index)
    if (!proof.isOpen) this.#group.release(each)
  }

  /** Compares a copy's unit with another copy's. Copies that are none leave. */
  #check(each: MergeInput, index: number, nowMs: number): void {
    const { inputs, founder, isVideo, sink } = this.#group
    for (const other of inputs) {
      if (other === each || !other.isCopy) continue
      const match = this.#group.unitAt(other, each.at(index) - other.shift)
      if (match < 0 || !other.copies.isComplete(match)) continue
      if (this.#doubts.compare(each, index, other, match, nowMs)) return
      const blamed = each.index === founder ? other : each
      if (!blamed.proof.check(each.copies.print(index) === other.copies.print(match))) return
      this.#group.leave(blamed)
      if (!isVideo) return
      blamed.proof.refuse(nowMs)
      return sink.refused(blamed.index)
    }
  }

  /** @param index of a unit with the same content as one on air */
  #join(each: MergeInput, index: number, nowMs: number): void {
    each.isCopy = true
    each.shift = each.proof.shift
    each.next = each.copies.from
    if (!this.#group.isVideo) this.#doubts.believe(each, index, nowMs)
    each.proof.restart()
    this.#group.size += 1
    this.#order.skipPassed(each)
    this.#group.sink.joined(each.index)
  }

  /** Whether the RTP times of an input have got another distance from its capture times. */
  #clockMoved(each: MergeInput, { captureMs }: Unit, time: number): boolean {
    if (Number.isNaN(captureMs)) return false
    const before = each.origin
    each.origin = captureMs - time / this.#group.ticksPerMs
    return Math.abs(each.origin - before) > SAME_MS
  }

  /** What came before says nothing about what follows. */
  #restart(each: MergeInput): void {
    // The only copy goes on: the clock of its own lane does not step. Copies of it are found anew.
    if (each.isCopy && this.#group.size === 1) for (const { proof } of this.#group.inputs) proof.restart()
    else this.#group.leave(each)
    this.#group.clear(each)
  }

  /** Other timestamps follow. */
  #beginAnew(each: MergeInput): void {
    this.#group.leave(each)
    this.#group.clear(each)
    each.copies.restart()
  }
}
