/*
 * Sizes of QR codes (ISO/IEC 18004) with error correction level M, which restores 15 % of a code. Larger codes than these
 * are hard to read from a screen.
 */

/** How a version's data is spread over blocks of error correction. */
export interface QrSize {
  /** Modules of a side. */
  readonly modules: number
  /** Bytes of data of each block, the shorter blocks first. */
  readonly blocks: readonly number[]
  /** Bytes of error correction of each block. */
  readonly correction: number
  /** Bits of the count of bytes (Table 3). */
  readonly countBits: 8 | 16
  /** Rows and columns of alignment patterns' centres (Annex E). */
  readonly alignment: readonly number[]
}

/** Bytes of error correction of a block; number and bytes of the shorter blocks; number of those with a byte more (Table 9). */
const LEVEL_M = [
  [10, 1, 16, 0],
  [16, 1, 28, 0],
  [26, 1, 44, 0],
  [18, 2, 32, 0],
  [24, 2, 43, 0],
  [16, 4, 27, 0],
  [18, 4, 31, 0],
  [22, 2, 38, 2],
  [22, 3, 36, 2],
  [26, 4, 43, 1],
  [30, 1, 50, 4],
  [22, 6, 36, 2],
] as const

/** By version, from 1. */
export const QR_SIZES: readonly QrSize[] = LEVEL_M.map(([correction, short, bytes, long], index) => {
  const version = index + 1
  const modules = 17 + 4 * version
  const last = modules - 7
  return {
    modules,
    correction,
    blocks: [...Array<number>(short).fill(bytes), ...Array<number>(long).fill(bytes + 1)],
    countBits: version < 10 ? 8 : 16,
    alignment: version === 1 ? [] : version < 7 ? [6, last] : [6, (6 + last) / 2, last],
  }
})

/** Bytes of text that a size holds, besides the mode and the count. */
export function capacityOf({ blocks, countBits }: QrSize): number {
  const bits = 8 * blocks.reduce((sum, bytes) => sum + bytes, 0)
  return Math.floor((bits - 4 - countBits) / 8)
}

/** Longest text of a code, bytes. */
export const MAX_QR_BYTES = capacityOf(QR_SIZES.at(-1)!)
