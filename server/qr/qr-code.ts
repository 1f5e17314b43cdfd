import { CodedError } from '../../common/errors.ts'
import { emptyGrid, type Modules, type QrGrid, writeFormat } from './qr-grid.ts'
import { MASKS, penaltyOf } from './qr-mask.ts'
import { capacityOf, QR_SIZES, type QrSize } from './qr-sizes.ts'
import { correctionOf } from './reed-solomon.ts'

/** Mode of bytes (Table 2), and what fills up the room that is left (section 7.4.10). */
const BYTES = 0b0100
const PADDING = [0xec, 0x11] as const

/**
 * A QR code (ISO/IEC 18004) of a text in UTF-8, level M, in the smallest size that holds it. 1 is dark; the quiet zone is the
 * painter's.
 * @throws CodedError `bad_request` for a text of more than 287 bytes
 */
export function qrCode(text: string): Modules {
  const bytes = Buffer.from(text, 'utf8')
  const size = QR_SIZES.find((each) => capacityOf(each) >= bytes.length)
  if (!size) throw new CodedError('bad_request', `a text of ${bytes.length} bytes is too long for a QR code`)
  const words = interleaved(size, dataWords(size, bytes))
  const masked = MASKS.map((_, mask) => {
    const grid = emptyGrid(size)
    place(grid, words, mask)
    writeFormat(grid, mask)
    return grid.modules
  })
  const penalties = masked.map(penaltyOf)
  return masked[penalties.indexOf(Math.min(...penalties))]!
}

function dataWords(size: QrSize, bytes: Uint8Array): Uint8Array {
  const { blocks, countBits } = size
  const words = new Uint8Array(blocks.reduce((sum, each) => sum + each, 0))
  let at = 0
  const write = (value: number, bits: number) => {
    for (let bit = bits - 1; bit >= 0; bit -= 1, at += 1)
      words[at >> 3]! |= ((value >> bit) & 1) << (7 - (at & 7))
  }
  write(BYTES, 4)
  write(bytes.length, countBits)
  for (const byte of bytes) write(byte, 8)
  // Four bits of nothing end the text, where there is room.
  at = Math.min(8 * words.length, at + 4)
  for (let word = Math.ceil(at / 8), pad = 0; word < words.length; word += 1, pad += 1)
    words[word] = PADDING[pad % 2]!
  return words
}

/** The words of all blocks in turn, and then their error correction (section 7.6). */
function interleaved({ blocks, correction }: QrSize, words: Uint8Array): Uint8Array {
  const starts = blocks.map((_, index) => blocks.slice(0, index).reduce((sum, bytes) => sum + bytes, 0))
  const data = blocks.map((bytes, index) => words.subarray(starts[index], starts[index]! + bytes))
  const corrections = data.map((block) => correctionOf(block, correction))
  const inTurn = (parts: readonly Uint8Array[]) =>
    Array.from({ length: Math.max(...parts.map(({ length }) => length)) }, (_, index) =>
      parts.flatMap((part) => part[index] ?? []),
    ).flat()
  return Uint8Array.from([...inTurn(data), ...inTurn(corrections)])
}

/** Places the bits in columns of two, from the right, up and down (section 7.7.3). */
function place({ modules, taken }: QrGrid, words: Uint8Array, mask: number): void {
  const side = modules.length
  const turns = MASKS[mask]!
  let bit = 0
  for (let right = side - 1, upward = true; right > 0; right -= 2, upward = !upward) {
    // The column of the timing pattern has no data.
    if (right === 6) right -= 1
    for (let step = 0; step < side; step += 1) {
      const row = upward ? side - 1 - step : step
      for (const column of [right, right - 1]) {
        if (taken[row]![column] === 1) continue
        const dark = ((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1
        modules[row]![column] = turns(row, column) ? 1 - dark : dark
        bit += 1
      }
    }
  }
}
