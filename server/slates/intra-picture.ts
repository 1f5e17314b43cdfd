import type { PictureSize } from '../../policy/viewed-stream.ts'
import { BitWriter } from './bit-writer.ts'

/** A grey picture of few shapes on one ground. */
export interface FlatPicture extends PictureSize {
  /** Luma, a byte a pixel. */
  readonly data: Uint8Array
  /** Rows that have anything but the ground, `to` exclusive. All other rows are taken for the ground unseen. */
  readonly touched: readonly (readonly [from: number, to: number])[]
}

/** Two IDR access units (annex B) of the same picture, which differ in idr_pic_id alone. */
export type IntraPictures = readonly [Buffer, Buffer]

const MACROBLOCK = 16
/** mb_type of ITU-T H.264 table 7-11: prediction of 16x16 without coefficients, and samples as they are. */
const INTRA_VERTICAL = 1
const INTRA_HORIZONTAL = 2
const I_PCM = 25

/**
 * Encodes a picture as constrained baseline (ITU-T H.264 annex A.2.1.1), exactly: a macroblock continues the one above or
 * on its left, or has its samples in full. That is small for flat pictures, and for no other.
 * @param chroma Cb and Cr of the whole picture
 */
export function intraPictures(picture: FlatPicture, chroma: readonly [number, number]): IntraPictures {
  const sets = Buffer.concat([nal(0x67, sps(picture)), nal(0x68, pps())])
  const idr = nal(0x65, slice(new PaddedLuma(picture), chroma))
  const first = Buffer.concat([sets, idr])
  const second = Buffer.from(first)
  // The last bit of idr_pic_id is the last bit of the slice's second byte, behind start code and header.
  second[sets.length + 6]! |= 1
  return [first, second]
}

/** Section 7.3.2.1.1. */
function sps({ width, height }: PictureSize): Uint8Array {
  const [wide, tall] = [Math.ceil(width / MACROBLOCK), Math.ceil(height / MACROBLOCK)]
  const out = new BitWriter()
  out.bits(66, 8) // profile_idc: baseline
  out.bits(0xc0, 8) // constraint_set0_flag and constraint_set1_flag: constrained
  out.bits(levelOf(wide * tall), 8)
  out.unsigned(0) // seq_parameter_set_id
  out.unsigned(0) // log2_max_frame_num_minus4
  out.unsigned(2) // pic_order_cnt_type
  out.unsigned(1) // max_num_ref_frames
  out.bits(0, 1) // gaps_in_frame_num_value_allowed_flag
  out.unsigned(wide - 1)
  out.unsigned(tall - 1)
  out.bits(0b11, 2) // frame_mbs_only_flag, direct_8x8_inference_flag
  out.bits(1, 1) // frame_cropping_flag
  for (const pixels of [0, wide * MACROBLOCK - width, 0, tall * MACROBLOCK - height]) out.unsigned(pixels / 2)
  out.bits(1, 1) // vui_parameters_present_flag, section E.1.1
  out.bits(0b001, 3) // neither aspect ratio nor overscan, but video_signal_type_present_flag
  out.bits(5, 3) // video_format: unspecified
  out.bits(0b01, 2) // range of video, colour_description_present_flag
  for (let field = 0; field < 3; field += 1) out.bits(1, 8) // ITU-R BT.709
  out.bits(0, 5) // chroma location, timing, two HRD, pic_struct
  out.bits(0b11, 2) // bitstream_restriction_flag, motion_vectors_over_pic_boundaries_flag
  for (const value of [0, 0, 0, 0, 0, 1]) out.unsigned(value) // no reordering, one picture buffered
  return out.end()
}

/** Section 7.3.2.2. */
function pps(): Uint8Array {
  const out = new BitWriter()
  out.unsigned(0) // pic_parameter_set_id
  out.unsigned(0) // seq_parameter_set_id
  out.bits(0, 2) // CAVLC, no field order
  for (let field = 0; field < 3; field += 1) out.unsigned(0) // slice groups, reference indices
  out.bits(0, 3) // weighted prediction
  for (let field = 0; field < 3; field += 1) out.signed(0) // quantisers
  out.bits(0b100, 3) // deblocking_filter_control_present_flag
  return out.end()
}

/** Sections 7.3.3 to 7.3.5. */
function slice(luma: PaddedLuma, chroma: readonly [number, number]): Uint8Array {
  const out = new BitWriter()
  out.unsigned(0) // first_mb_in_slice
  out.unsigned(7) // slice_type: I
  out.unsigned(0) // pic_parameter_set_id
  out.bits(0, 4) // frame_num
  out.unsigned(1) // idr_pic_id, 2 in the other picture: both have three bits
  out.bits(0, 2) // dec_ref_pic_marking
  out.signed(0) // slice_qp_delta
  out.unsigned(1) // disable_deblocking_filter_idc
  const { columns, rows } = luma
  /** Macroblocks of the row above that have their samples in full. */
  const full = new Uint8Array(columns)
  for (let row = 0; row < rows; row += 1) {
    let leftFull = 0
    for (let column = 0; column < columns; column += 1) {
      const type = luma.typeOf(row, column)
      out.unsigned(type)
      if (type === I_PCM) {
        out.align()
        luma.copy(row, column, out)
        for (const value of chroma) out.fill(value, 64)
      } else {
        out.unsigned(0) // intra_chroma_pred_mode: mean, which is the same everywhere
        out.signed(0) // mb_qp_delta
        // coeff_token of no coefficient, table 9-5. A neighbour in full counts as one with 16 coefficients.
        if (full[column] === 1 || leftFull === 1) out.bits(0b000011, 6)
        else out.bits(1, 1)
      }
      leftFull = type === I_PCM ? 1 : 0
      full[column] = leftFull
    }
  }
  return out.end()
}

/** The picture in whole macroblocks: its last row and column go on. */
class PaddedLuma {
  readonly columns: number
  readonly rows: number
  readonly #picture: FlatPicture
  /** Rows of macroblocks that have anything but the ground. */
  readonly #touched: Uint8Array

  constructor(picture: FlatPicture) {
    this.#picture = picture
    this.columns = Math.ceil(picture.width / MACROBLOCK)
    this.rows = Math.ceil(picture.height / MACROBLOCK)
    this.#touched = new Uint8Array(this.rows)
    for (const [from, to] of picture.touched)
      this.#touched.fill(
        1,
        Math.max(0, Math.floor(from / MACROBLOCK)),
        Math.max(0, Math.ceil(to / MACROBLOCK)),
      )
  }

  typeOf(row: number, column: number): number {
    if (row === 0 && column === 0) return I_PCM
    const plain = this.#touched[row] === 0
    if (plain && column > 0) return INTRA_HORIZONTAL
    if (plain && row > 0 && this.#touched[row - 1] === 0) return INTRA_VERTICAL
    if (column > 0 && this.#continues(row, column, 0, 1)) return INTRA_HORIZONTAL
    if (row > 0 && this.#continues(row, column, 1, 0)) return INTRA_VERTICAL
    return I_PCM
  }

  copy(row: number, column: number, out: BitWriter): void {
    for (let y = 0; y < MACROBLOCK; y += 1)
      for (let x = 0; x < MACROBLOCK; x += 1)
        out.fill(this.#at(row * MACROBLOCK + y, column * MACROBLOCK + x), 1)
  }

  /** Whether every sample is that of the last row above, or of the last column on the left. */
  #continues(row: number, column: number, down: 0 | 1, right: 0 | 1): boolean {
    const [top, left] = [row * MACROBLOCK, column * MACROBLOCK]
    for (let y = 0; y < MACROBLOCK; y += 1)
      for (let x = 0; x < MACROBLOCK; x += 1) {
        const before = this.#at(down ? top - 1 : top + y, right ? left - 1 : left + x)
        if (this.#at(top + y, left + x) !== before) return false
      }
    return true
  }

  #at(y: number, x: number): number {
    const { data, width, height } = this.#picture
    return data[Math.min(y, height - 1) * width + Math.min(x, width - 1)]!
  }
}

/** level_idc by table A-1, for a picture a second or two. */
function levelOf(macroblocks: number): number {
  const levels = [
    [396, 20],
    [1620, 30],
    [3600, 31],
    [8192, 40],
    [22_080, 50],
  ] as const
  return levels.find(([most]) => macroblocks <= most)?.[1] ?? 51
}

/** A NAL unit behind its start code, with emulation prevention (section 7.3.1). */
function nal(header: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(5 + payload.length + Math.ceil(payload.length / 2))
  out.set([0, 0, 0, 1, header])
  let length = 5
  let zeros = 0
  for (const byte of payload) {
    if (zeros === 2 && byte <= 3) {
      out[length++] = 3
      zeros = 0
    }
    out[length++] = byte
    zeros = byte === 0 ? zeros + 1 : 0
  }
  return Buffer.from(out.subarray(0, length))
}
