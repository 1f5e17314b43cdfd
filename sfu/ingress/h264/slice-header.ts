import { BitReader } from './bit-reader.ts'
import type { ParameterSets } from './parameter-sets.ts'

/** NAL unit type of a slice of an IDR picture, ITU-T H.264 table 7-1. */
const nalIdr = 5

/**
 * The start of a slice header, ITU-T H.264 section 7.3.3. Fields that the slice's stream does not carry are 0, so that
 * two headers of one stream can be compared field by field. Reused.
 */
export interface SliceHeader {
  idr: boolean
  /** nal_ref_idc, 0 to 3. */
  refIdc: number
  firstMacroblock: number
  /** slice_type modulo 5: 0 P, 1 B, 2 I, 3 SP, 4 SI. */
  type: number
  ppsId: number
  frameNum: number
  /** 0 for a frame, 1 for a top field, 2 for a bottom field. */
  field: number
  idrPicId: number
  pocLsb: number
  pocDeltaBottom: number
  pocDelta0: number
  pocDelta1: number
}

export const sliceTypeB = 1

const reader = new BitReader(new Uint8Array(0), 0, 0)

export function createSliceHeader(): SliceHeader {
  return {
    idr: false,
    refIdc: 0,
    firstMacroblock: 0,
    type: 0,
    ppsId: 0,
    frameNum: 0,
    field: 0,
    idrPicId: 0,
    pocLsb: 0,
    pocDeltaBottom: 0,
    pocDelta0: 0,
    pocDelta1: 0,
  }
}

/**
 * @param sets the parameter sets in force; without the slice's sets, the fields that depend on them stay 0
 * @returns false when `data[from..to)` (with its NAL header byte) ends too early or has impossible values
 */
export function readSliceHeader(
  data: Uint8Array,
  from: number,
  to: number,
  sets: Pick<ParameterSets, 'active' | 'fieldOrder'>,
  into: SliceHeader,
): boolean {
  if (from >= to) return false
  into.idr = (data[from]! & 0x1f) === nalIdr
  into.refIdc = (data[from]! >> 5) & 3
  into.field = 0
  into.frameNum = 0
  into.idrPicId = 0
  into.pocLsb = 0
  into.pocDeltaBottom = 0
  into.pocDelta0 = 0
  into.pocDelta1 = 0
  reader.open(data, from + 1, to)
  into.firstMacroblock = reader.unsigned()
  const type = reader.unsigned()
  into.type = type % 5
  into.ppsId = reader.unsigned()
  if (reader.overrun || type > 9 || into.ppsId > 255) return false
  const sps = sets.active(into.ppsId)
  if (!sps) return true
  if (sps.separatePlanes) reader.bits(2) // colour_plane_id
  into.frameNum = reader.bits(sps.frameNumBits)
  if (!sps.progressive && reader.flag()) into.field = 1 + reader.bit()
  if (into.idr) into.idrPicId = reader.unsigned()
  const fieldOrder = into.field === 0 && sets.fieldOrder(into.ppsId)
  if (sps.pocType === 0) {
    into.pocLsb = reader.bits(sps.pocLsbBits)
    if (fieldOrder) into.pocDeltaBottom = reader.signed()
  } else if (sps.pocType === 1 && !sps.pocDeltaAlwaysZero) {
    into.pocDelta0 = reader.signed()
    if (fieldOrder) into.pocDelta1 = reader.signed()
  }
  return !reader.overrun
}

/** Whether two slices belong to one picture, section 7.4.1.2.4: successive pictures differ in one of these fields. */
export function samePicture(a: SliceHeader, b: SliceHeader): boolean {
  return (
    a.frameNum === b.frameNum &&
    a.ppsId === b.ppsId &&
    a.field === b.field &&
    (a.refIdc === 0) === (b.refIdc === 0) &&
    a.idr === b.idr &&
    a.idrPicId === b.idrPicId &&
    a.pocLsb === b.pocLsb &&
    a.pocDeltaBottom === b.pocDeltaBottom &&
    a.pocDelta0 === b.pocDelta0 &&
    a.pocDelta1 === b.pocDelta1
  )
}
