/** More NAL units than this in one PES packet are no picture that an encoder made. */
const maxNals = 2048

/** Where the NAL units of a byte stream are; reused from unit to unit. */
export interface NalIndex {
  readonly starts: Int32Array
  /** Exclusive; trailing zero bytes are left out. */
  readonly ends: Int32Array
  count: number
  /** The bytes held something that is no NAL unit, or more of them than fit: don't trust the rest. */
  damaged: boolean
}

export function createNalIndex(): NalIndex {
  return { starts: new Int32Array(maxNals), ends: new Int32Array(maxNals), count: 0, damaged: false }
}

/** Finds the NAL units of `data[from..to)`, ITU-T H.264 annex B. */
export function indexNals(data: Uint8Array, from: number, to: number, into: NalIndex): void {
  into.count = 0
  into.damaged = false
  let start = -1
  let at = from
  while (at + 2 < to) {
    const third = data[at + 2]!
    if (third > 1) at += 3
    else if (third === 0) at += 1
    else {
      if (data[at] === 0 && data[at + 1] === 0) {
        if (start >= 0) addNal(data, start, at, into)
        else if (hasContent(data, from, at)) into.damaged = true
        start = at + 3
      }
      at += 3
    }
  }
  if (start >= 0) addNal(data, start, to, into)
  else into.damaged = hasContent(data, from, to)
}

function addNal(data: Uint8Array, start: number, end: number, into: NalIndex): void {
  let last = end
  while (last > start && data[last - 1] === 0) last -= 1
  if (last === start) return
  if (into.count === maxNals || data[start]! & 0x80) {
    into.damaged = true // forbidden_zero_bit
    return
  }
  into.starts[into.count] = start
  into.ends[into.count] = last
  into.count += 1
}

function hasContent(data: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (data[at] !== 0) return true
  return false
}
