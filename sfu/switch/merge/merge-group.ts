import { MergeInput } from './merge-input.ts'

/** Copies of a unit differ in time by at most so much, ms: clocks that are read twice, and rounding. */
export const SAME_MS = 1

export interface MergeSink {
  /**
   * A unit leaves now.
   * @param time its RTP time in the terms of the input that was on air at first, unwrapped, ticks
   * @param hole something before it is missing in every copy
   */
  send(input: number, handle: number, time: number, hole: boolean): void
  /** The bytes of a unit are needed no more: a copy of it left, or its input carries something else. */
  drop(input: number, handle: number): void
  /** The input carries the same units as what is on air, and is merged from now on. */
  joined(input: number): void
  /** The input is merged no more: its clock moved, its units are others, or it ended. */
  left(input: number): void
  /** The input claims the capture times of what is on air for other pictures. It is not merged. */
  refused(input: number): void
}

export interface MergeOptions {
  /** 1 to 8. */
  readonly inputs: number
  readonly kind: 'video' | 'audio'
  /** What one copy lacks is waited for by at most this long, ms. */
  readonly bufferMs: number
  /** Whether an input that is proven to be a copy is merged; all are by default. */
  readonly mayJoin?: (input: number) => boolean
  readonly sink: MergeSink
}

/** The inputs of a merge, and which of them carry the same. */
export class MergeGroup {
  readonly inputs: readonly MergeInput[]
  readonly isVideo: boolean
  readonly bufferMs: number
  readonly ticksPerMs: number
  /** {@link SAME_MS} in ticks. */
  readonly within: number
  readonly mayJoin: (input: number) => boolean
  readonly sink: MergeSink
  /** Number of copies of what is on air. */
  size = 0
  /** The input that the group formed around, or its successor; -1 while nothing is on air. */
  founder = -1

  constructor({ inputs, kind, bufferMs, mayJoin = () => true, sink }: MergeOptions) {
    this.isVideo = kind === 'video'
    this.bufferMs = bufferMs
    this.ticksPerMs = this.isVideo ? 90 : 48
    this.within = SAME_MS * this.ticksPerMs
    this.mayJoin = mayJoin
    this.sink = sink
    this.inputs = Array.from({ length: inputs }, (_, index) => new MergeInput(index, kind, this.within))
  }

  /** Nothing is on air. */
  dissolve(): void {
    for (const each of this.inputs) {
      this.release(each)
      each.isCopy = false
      each.proof.restart()
    }
    this.founder = -1
    this.size = 0
  }

  /** One input alone is on air. */
  found(founder: MergeInput): void {
    this.dissolve()
    founder.isCopy = true
    founder.shift = 0
    founder.doubtedFrom = Number.POSITIVE_INFINITY
    this.founder = founder.index
    this.size = 1
  }

  /** Nothing of this input may leave any more. */
  leave(each: MergeInput): void {
    this.release(each)
    each.proof.restart()
    if (!each.isCopy) return
    each.isCopy = false
    this.size -= 1
    if (each.index === this.founder) this.founder = this.inputs.findIndex(({ isCopy }) => isCopy)
    this.sink.left(each.index)
  }

  /** Forgets an input's units. */
  clear(each: MergeInput): void {
    this.release(each)
    each.copies.clear()
    each.next = each.copies.to
    each.step = 0
    each.origin = Number.NaN
    each.doubtedFrom = Number.POSITIVE_INFINITY
  }

  /** Gives the bytes of all its units back. */
  release(each: MergeInput): void {
    for (let index = each.copies.from; index < each.copies.to; index++) this.drop(each, index)
  }

  drop(each: MergeInput, index: number): void {
    const handle = each.copies.release(index)
    if (handle >= 0) this.sink.drop(each.index, handle)
  }

  /** @returns the input's unit at this time of its own; -1 without one */
  unitAt({ copies }: MergeInput, time: number): number {
    const index = copies.at(time - this.within)
    return index < copies.to && copies.time(index) <= time + this.within ? index : -1
  }
}
