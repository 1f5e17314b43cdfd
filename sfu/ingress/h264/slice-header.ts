import { BitReader } from './bit-reader.ts'

/** The start of a slice header, ITU-T H.264 section 7.3.3. Reused. */
export interface SliceHeader {
  firstMacroblock: number
  /** slice_type modulo 5: 0 P, 1 B, 2 I, 3 SP, 4 SI. */
  type: number
  ppsId: number
}

export const sliceTypeB = 1

const reader = new BitReader(new Uint8Array(0), 0, 0)

/** @returns false when `data[from..to)` (with its NAL header byte) ends too early or has impossible values */
export function readSliceHeader(data: Uint8Array, from: number, to: number, into: SliceHeader): boolean {
  reader.open(data, from + 1, to)
  into.firstMacroblock = reader.unsigned()
  const type = reader.unsigned()
  into.type = type % 5
  into.ppsId = reader.unsigned()
  return !reader.overrun && type <= 9 && into.ppsId <= 255
}
