/** Units that an input is remembered by: at 120 pictures a second two seconds, five seconds of Opus in 20 ms. */
const KEPT = 256
const MASK = KEPT - 1

const COMPLETE = 1
const COMPARED = 2

/** One access unit of an input: a whole picture of one rendition, or one Opus packet. */
export interface Unit {
  /** 0 up to the number of inputs. */
  input: number
  /** The caller's name for the unit's bytes; -1 where nobody keeps them. Then only its marks are used. */
  handle: number
  /** RTP, 32 bits. */
  timestamp: number
  /** Sequence numbers of its first and last packet, 16 bits. */
  first: number
  last: number
  /** `abs-capture-time`, unix ms; NaN for units without. */
  captureMs: number
  /** Marks its content, 32 bits: see `UnitPrint`. */
  print: number
  /** No packet of it is missing. */
  complete: boolean
}

/**
 * The last units of one input, in the order of their times. Memory is laid out once. An index counts all units that ever
 * came, and stays that of its unit, except when a late unit is put in before it.
 */
export class MergeCopies {
  readonly #times = new Float64Array(KEPT)
  readonly #captures = new Float64Array(KEPT)
  readonly #arrivals = new Float64Array(KEPT)
  readonly #prints = new Uint32Array(KEPT)
  readonly #handles = new Int32Array(KEPT)
  readonly #firsts = new Uint16Array(KEPT)
  readonly #lasts = new Uint16Array(KEPT)
  readonly #marks = new Uint8Array(KEPT)
  #from = 0
  #to = 0
  /** The latest time that was ever seen; NaN before the first. */
  #latest = Number.NaN

  /** Index of the oldest unit. */
  get from(): number {
    return this.#from
  }

  /** Index after the newest unit. */
  get to(): number {
    return this.#to
  }

  /** The latest time so far, ticks; NaN before the first unit. */
  get latest(): number {
    return this.#latest
  }

  /** A timestamp of the input as a time that does not wrap, in ticks of its RTP clock. */
  unwrap(timestamp: number): number {
    const near = this.#latest
    return Number.isNaN(near) ? timestamp : near + ((timestamp - (near % 2 ** 32)) | 0)
  }

  /**
   * Adds a unit; a late one goes in before those that follow it.
   * @returns its index
   */
  insert(unit: Unit, time: number, nowMs: number): number {
    if (this.#to - this.#from === KEPT) this.#from += 1
    let index = this.#to
    this.#to += 1
    while (index > this.#from && this.time(index - 1) > time) {
      this.#move(index - 1, index)
      index -= 1
    }
    if (index === this.#to - 1) this.#latest = time
    const at = index & MASK
    this.#times[at] = time
    this.#captures[at] = unit.captureMs
    this.#arrivals[at] = nowMs
    this.#prints[at] = unit.print
    this.#handles[at] = unit.handle
    this.#firsts[at] = unit.first
    this.#lasts[at] = unit.last
    this.#marks[at] = unit.complete ? COMPLETE : 0
    return index
  }

  /** Whether the next unit pushes out the oldest. */
  get isFull(): boolean {
    return this.#to - this.#from === KEPT
  }

  /** Forgets the units, and goes on with the same time. */
  clear(): void {
    this.#from = this.#to
  }

  /** Forgets the time too: other timestamps follow. */
  restart(): void {
    this.clear()
    this.#latest = Number.NaN
  }

  time(index: number): number {
    return this.#times[index & MASK]!
  }

  capture(index: number): number {
    return this.#captures[index & MASK]!
  }

  arrival(index: number): number {
    return this.#arrivals[index & MASK]!
  }

  print(index: number): number {
    return this.#prints[index & MASK]!
  }

  isComplete(index: number): boolean {
    return (this.#marks[index & MASK]! & COMPLETE) !== 0
  }

  /** Whether bytes of this unit wait to be sent. */
  isHeld(index: number): boolean {
    return this.#handles[index & MASK]! >= 0
  }

  /** Hands the unit's bytes out, once. @returns the handle, or -1 */
  release(index: number): number {
    const at = index & MASK
    const handle = this.#handles[at]!
    this.#handles[at] = -1
    return handle
  }

  /** Notes that the unit was compared with a copy. @returns false where it was noted before */
  compare(index: number): boolean {
    const at = index & MASK
    if ((this.#marks[at]! & COMPARED) !== 0) return false
    this.#marks[at] = this.#marks[at]! | COMPARED
    return true
  }

  /** Whether no packet is missing between this unit and the unit before. */
  follows(index: number): boolean {
    return (
      index > this.#from && ((this.#lasts[(index - 1) & MASK]! + 1) & 0xffff) === this.#firsts[index & MASK]!
    )
  }

  /** Whether this unit differs from the unit before: silence and stills say nothing about time. */
  isDistinct(index: number): boolean {
    return index > this.#from && this.print(index) !== this.print(index - 1)
  }

  /** @returns the first index, from `after` on, of a unit at `time` or later */
  at(time: number, after = this.#from): number {
    let index = this.#to
    while (index > after && this.time(index - 1) >= time) index -= 1
    return index
  }

  /** @returns the newest unit whose capture time differs by at most `within` ms; -1 without one */
  byCapture(captureMs: number, within: number): number {
    for (let index = this.#to - 1; index >= this.#from; index--) {
      const distance = this.capture(index) - captureMs
      if (Math.abs(distance) <= within) return index
      if (distance < 0) return -1
    }
    return -1
  }

  /** @returns the newest unit with this content that differs from the unit before; -1 without one */
  byPrint(print: number): number {
    for (let index = this.#to - 1; index >= this.#from; index--)
      if (this.print(index) === print && this.isComplete(index) && this.isDistinct(index)) return index
    return -1
  }

  #move(from: number, to: number): void {
    const source = from & MASK
    const target = to & MASK
    this.#times[target] = this.#times[source]!
    this.#captures[target] = this.#captures[source]!
    this.#arrivals[target] = this.#arrivals[source]!
    this.#prints[target] = this.#prints[source]!
    this.#handles[target] = this.#handles[source]!
    this.#firsts[target] = this.#firsts[source]!
    this.#lasts[target] = this.#lasts[source]!
    this.#marks[target] = this.#marks[source]!
  }
}
