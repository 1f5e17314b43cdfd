import { BitReader } from './bit-reader.ts'

/** What the ingress needs of an SPS, ITU-T H.264 sections 7.3.2.1.1 and E.1.1. */
export interface SequenceParameterSet {
  readonly id: number
  readonly profileIdc: number
  /** Name as in annex A, for people. */
  readonly profile: string
  /** Pixels after cropping. */
  readonly width: number
  readonly height: number
  /** frame_mbs_only_flag: false means that fields may be coded. */
  readonly progressive: boolean
  /** 4:2:0 at 8 bits, the only format that browsers decode. */
  readonly browserFormat: boolean
  /** Bits of frame_num in slice headers, 4 to 16. */
  readonly frameNumBits: number
  readonly pocType: number
  /** Bits of pic_order_cnt_lsb in slice headers, 4 to 16; for POC type 0 only. */
  readonly pocLsbBits: number
  /** delta_pic_order_always_zero_flag; for POC type 1 only. */
  readonly pocDeltaAlwaysZero: boolean
  /** separate_colour_plane_flag: slice headers name their plane. */
  readonly separatePlanes: boolean
  /** max_num_reorder_frames of the VUI, or null when the VUI does not say. */
  readonly maxReorderFrames: number | null
  /** Frame duration in 90 kHz ticks from the VUI's timing, or null. */
  readonly frameTicks: number | null
}

const profilesWithChroma: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
])

const profileNames: ReadonlyMap<number, string> = new Map([
  [66, 'Baseline'],
  [77, 'Main'],
  [88, 'Extended'],
  [100, 'High'],
  [110, 'High 10'],
  [122, 'High 4:2:2'],
  [244, 'High 4:4:4 Predictive'],
  [44, 'CAVLC 4:4:4 Intra'],
])

/** @returns null when `data[from..to)` (with its NAL header byte) is no usable SPS */
export function parseSps(data: Uint8Array, from: number, to: number): SequenceParameterSet | null {
  if (to - from < 4) return null
  const reader = new BitReader(data, from + 1, to)
  const profileIdc = reader.bits(8)
  const constraints = reader.bits(8)
  reader.bits(8) // level_idc
  const id = reader.unsigned()
  let chroma = 1
  let separatePlanes = false
  let bitDepth = 8
  if (profilesWithChroma.has(profileIdc)) {
    chroma = reader.unsigned()
    if (chroma === 3) separatePlanes = reader.flag()
    bitDepth = 8 + Math.max(reader.unsigned(), reader.unsigned())
    reader.bit() // qpprime_y_zero_transform_bypass_flag
    if (reader.flag()) skipScalingMatrix(reader, chroma === 3 ? 12 : 8)
  }
  const frameNumBits = 4 + reader.unsigned()
  const pocType = reader.unsigned()
  let pocLsbBits = 4
  let pocDeltaAlwaysZero = false
  if (pocType === 0) pocLsbBits += reader.unsigned()
  else if (pocType === 1) pocDeltaAlwaysZero = readPocCycle(reader)
  reader.unsigned() // max_num_ref_frames
  reader.bit() // gaps_in_frame_num_value_allowed_flag
  const widthInMbs = reader.unsigned() + 1
  const heightInMaps = reader.unsigned() + 1
  const progressive = reader.flag()
  if (!progressive) reader.bit() // mb_adaptive_frame_field_flag
  reader.bit() // direct_8x8_inference_flag
  const fields = progressive ? 1 : 2
  let width = widthInMbs * 16
  let height = heightInMaps * 16 * fields
  if (reader.flag()) {
    const unitX = chroma === 1 || chroma === 2 ? 2 : 1
    const unitY = (chroma === 1 ? 2 : 1) * fields
    width -= (reader.unsigned() + reader.unsigned()) * unitX
    height -= (reader.unsigned() + reader.unsigned()) * unitY
  }
  if (reader.overrun || id > 31 || pocType > 2 || chroma > 3) return null
  if (frameNumBits > 16 || pocLsbBits > 16) return null
  if (width <= 0 || height <= 0 || width > 16_384 || height > 16_384) return null
  const vui = reader.flag() ? readVui(reader) : { maxReorderFrames: null, frameTicks: null }
  const name = profileNames.get(profileIdc) ?? `profile ${profileIdc}`
  return {
    id,
    profileIdc,
    profile: profileIdc === 66 && constraints & 0x40 ? 'Constrained Baseline' : name,
    width,
    height,
    progressive,
    browserFormat: chroma === 1 && bitDepth === 8 && !separatePlanes,
    frameNumBits,
    pocType,
    pocLsbBits,
    pocDeltaAlwaysZero,
    separatePlanes,
    ...vui,
  }
}

function skipScalingMatrix(reader: BitReader, lists: number): void {
  for (let list = 0; list < lists && !reader.overrun; list++) {
    if (!reader.flag()) continue
    let last = 8
    let next = 8
    for (let index = 0; index < (list < 6 ? 16 : 64) && !reader.overrun; index++) {
      if (next !== 0) next = (last + reader.signed() + 256) % 256
      if (next !== 0) last = next
    }
  }
}

/** @returns delta_pic_order_always_zero_flag */
function readPocCycle(reader: BitReader): boolean {
  const alwaysZero = reader.flag()
  reader.signed()
  reader.signed()
  const count = reader.unsigned()
  for (let index = 0; index < count && index < 256 && !reader.overrun; index++) reader.signed()
  return alwaysZero
}

/** A truncated VUI says nothing, but doesn't spoil the rest of the SPS. */
function readVui(reader: BitReader): Pick<SequenceParameterSet, 'maxReorderFrames' | 'frameTicks'> {
  if (reader.flag() && reader.bits(8) === 255) reader.bits(32) // sample aspect ratio
  if (reader.flag()) reader.bit() // overscan
  if (reader.flag()) {
    reader.bits(4) // video_format, video_full_range_flag
    if (reader.flag()) reader.bits(24) // colour description
  }
  if (reader.flag()) {
    reader.unsigned() // chroma sample locations
    reader.unsigned()
  }
  let frameTicks: number | null = null
  if (reader.flag()) {
    const unitsInTick = reader.bits(32)
    const timeScale = reader.bits(32)
    reader.bit() // fixed_frame_rate_flag
    const ticks = (90_000 * 2 * unitsInTick) / timeScale
    if (Number.isFinite(ticks) && ticks >= 90 && ticks <= 90_000) frameTicks = Math.round(ticks)
  }
  const nalHrd = reader.flag()
  if (nalHrd) skipHrd(reader)
  const vclHrd = reader.flag()
  if (vclHrd) skipHrd(reader)
  if (nalHrd || vclHrd) reader.bit() // low_delay_hrd_flag
  reader.bit() // pic_struct_present_flag
  let maxReorderFrames: number | null = null
  if (reader.flag()) {
    reader.bit() // motion_vectors_over_pic_boundaries_flag
    for (let field = 0; field < 4; field++) reader.unsigned()
    maxReorderFrames = reader.unsigned()
    reader.unsigned() // max_dec_frame_buffering
  }
  return reader.overrun ? { maxReorderFrames: null, frameTicks: null } : { maxReorderFrames, frameTicks }
}

function skipHrd(reader: BitReader): void {
  const count = reader.unsigned() + 1
  reader.bits(8) // bit_rate_scale, cpb_size_scale
  for (let index = 0; index < count && index < 32; index++) {
    reader.unsigned()
    reader.unsigned()
    reader.bit()
  }
  reader.bits(20)
}
