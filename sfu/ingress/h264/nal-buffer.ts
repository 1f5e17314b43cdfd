import {
  clearNals,
  closeNal,
  createNalIndex,
  maxNals,
  type NalIndex,
  scanNals,
} from '../../../common/h264/annex-b.ts'

const firstBytes = 16 * 1024
/** At least this many bytes are kept: a start code may be cut between two PES packets. */
const startCodeBytes = 3

/**
 * The NAL units of the newest PES packet, after those kept from earlier packets. While nothing is kept they are in the
 * packet's own memory; otherwise they are copied.
 */
export class NalBuffer {
  readonly index: NalIndex = createNalIndex()
  /** Number of the PES packet in which each NAL unit begins. */
  readonly packets = new Int32Array(maxNals + 1)
  /** That packet's PTS, 33 bit, or -1. */
  readonly times = new Float64Array(maxNals + 1)
  readonly #maxBytes: number
  #kept: Buffer = Buffer.alloc(0)
  #keptBytes = 0
  #end = 0
  /** The memory of {@link index}. */
  data: Buffer = this.#kept

  /** @param maxBytes most bytes that are kept */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether something waits for its end. */
  get keeps(): boolean {
    return this.#keptBytes > 0
  }

  /** Bytes of memory. */
  get capacity(): number {
    return this.#kept.length
  }

  /** Where the newest packet ends in {@link data}. */
  get end(): number {
    return this.#end
  }

  /** Number of NAL units, the open one included. */
  get units(): number {
    return this.index.count + (this.index.open ? 1 : 0)
  }

  /** Takes a packet's payload; `data` must stay until {@link keep} or {@link clear}. @returns false for too many bytes */
  take(data: Buffer, from: number, to: number, packet: number, pts: number): boolean {
    let begin = from
    if (this.keeps) {
      begin = this.#keptBytes
      if (!this.#append(data, from, to)) return false
      this.#end = this.#keptBytes
    } else {
      this.data = data
      this.#end = to
      clearNals(this.index, from)
    }
    scanNals(this.data, this.#end, this.index)
    for (let nal = this.units - 1; nal >= 0 && this.index.starts[nal]! >= begin; nal--) {
      this.packets[nal] = packet
      this.times[nal] = pts
    }
    return true
  }

  /** The last NAL unit ends here. */
  close(): void {
    closeNal(this.data, this.#end, this.index)
  }

  /** Releases the NAL units before `first`, and keeps the others for the next packet, moved down by `first`. */
  keep(first: number): void {
    const { index, units } = this
    if (first >= units) {
      this.#keepEnd()
      return
    }
    // With its start code, so that something is kept of a NAL unit that has no bytes yet.
    const at = index.starts[first]! - startCodeBytes
    if (this.data === this.#kept && at === 0) return
    this.#move(at)
    index.scanned -= at
    index.count -= first
    for (let nal = first; nal < units; nal++) {
      index.starts[nal - first] = index.starts[nal]! - at
      index.ends[nal - first] = index.ends[nal]! - at
      this.packets[nal - first] = this.packets[nal]!
      this.times[nal - first] = this.times[nal]!
    }
  }

  clear(): void {
    this.#keptBytes = 0
    clearNals(this.index, 0)
  }

  #keepEnd(): void {
    const looked = this.data === this.#kept ? 0 : this.index.scanned
    this.#move(Math.min(this.#end, Math.max(looked, this.#end - startCodeBytes)))
    clearNals(this.index, 0)
  }

  #move(from: number): void {
    const to = this.#end
    if (this.data === this.#kept) this.#kept.copyWithin(0, from, to)
    else {
      this.#keptBytes = 0
      this.#append(this.data, from, to)
    }
    this.#keptBytes = to - from
    this.#end = this.#keptBytes
  }

  #append(data: Buffer, from: number, to: number): boolean {
    const needed = this.#keptBytes + to - from
    if (needed > this.#maxBytes) return false
    if (needed > this.#kept.length) {
      const larger = Math.max(needed, 2 * this.#kept.length, firstBytes)
      const kept = Buffer.allocUnsafe(Math.min(this.#maxBytes, larger))
      this.#kept.copy(kept, 0, 0, this.#keptBytes)
      this.#kept = kept
    }
    data.copy(this.#kept, this.#keptBytes, from, to)
    this.#keptBytes = needed
    this.data = this.#kept
    return true
  }
}
