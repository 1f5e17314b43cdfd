/** Most NAL units of one access unit. No encoder makes pictures with more. */
export const maxNals = 2048

/** Where the NAL units of a byte stream are; reused from unit to unit. */
export interface NalIndex {
  readonly starts: Int32Array
  /** Exclusive; trailing zero bytes are left out. */
  readonly ends: Int32Array
  /** NAL units whose end is known. */
  count: number
  /** `starts[count]` is a NAL unit whose end has not come yet. */
  open: boolean
  /** Everything before this position was examined. */
  scanned: number
  /** The bytes held something that is no NAL unit, or too many NAL units: don't trust the rest. */
  damaged: boolean
}

export function createNalIndex(): NalIndex {
  return {
    // one more for the one that is open
    starts: new Int32Array(maxNals + 1),
    ends: new Int32Array(maxNals + 1),
    count: 0,
    open: false,
    scanned: 0,
    damaged: false,
  }
}

/** Forgets what was found. {@link scanNals} begins at `from`. */
export function clearNals(into: NalIndex, from: number): void {
  into.count = 0
  into.open = false
  into.scanned = from
  into.damaged = false
}

/**
 * Finds the NAL units (ITU-T H.264 annex B) in the bytes up to `to`. The last one stays open. A start code may be cut
 * at `to`: the next bytes complete it.
 */
export function scanNals(data: Uint8Array, to: number, into: NalIndex): void {
  let at = into.scanned
  while (at + 2 < to) {
    const third = data[at + 2]!
    if (third > 1) at += 3
    else if (third === 0) at += 1
    else {
      if (data[at] === 0 && data[at + 1] === 0) {
        if (into.open) closeNal(data, at, into)
        into.starts[into.count] = at + 3
        into.open = true
      }
      at += 3
    }
  }
  into.scanned = at
}

/** The open NAL unit ends at `end`. */
export function closeNal(data: Uint8Array, end: number, into: NalIndex): void {
  if (!into.open) return
  into.open = false
  const start = into.starts[into.count]!
  let last = end
  while (last > start && data[last - 1] === 0) last -= 1
  if (last === start) return
  if (into.count === maxNals || data[start]! & 0x80) {
    into.damaged = true // forbidden_zero_bit
    return
  }
  into.ends[into.count] = last
  into.count += 1
}

/** Whether `data[from..to)` begins with a start code, and not inside a NAL unit. */
export function beginsNal(data: Uint8Array, from: number, to: number): boolean {
  let at = from
  while (at < to && data[at] === 0) at += 1
  return at - from >= 2 && at < to && data[at] === 1
}
