import { BLACK, fillBox, type Plane, WHITE } from '../../common/dot-font.ts'

/** Place of a barcode in a picture 1280 wide: 42 cells side by side. Other widths scale it. */
export interface BarcodePlace {
  readonly y: number
  readonly cellHeight: number
}

/** What all barcodes of a card share, in a picture 1280 wide. */
export const BARCODE = { x: 52, cellWidth: 28, cells: 42, referenceWidth: 1280 } as const
/** The wall clock: Unix ms modulo 2^32. */
export const CLOCK_PLACE: BarcodePlace = { y: 648, cellHeight: 40 }
/** The mark: which card it is, and the number of the picture. */
export const MARK_PLACE: BarcodePlace = { y: 612, cellHeight: 28 }

/** 16 bits of a card's name, by which programs tell cards apart (FNV-1a of 32 bits, its halves put together). */
export function nameBits(name: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193)
  return ((hash >>> 16) ^ hash) & 0xffff
}

/** The 32 bits of a mark. @param number of the picture, from 0; its lower 16 bits count */
export function markOf(name: string, number: number): number {
  return nameBits(name) * 0x10000 + (number & 0xffff)
}

/** Draws 32 bits as cells, white on black. */
export function drawBarcode(luma: Plane, place: BarcodePlace, value: number): void {
  const scale = luma.width / BARCODE.referenceWidth
  const at = (reference: number): number => Math.round(reference * scale)
  const y = at(place.y)
  const height = at(place.cellHeight)
  const box = (from: number, to: number, level: number): void => {
    const x = at(BARCODE.x + BARCODE.cellWidth * from)
    fillBox(luma, x, y, at(BARCODE.x + BARCODE.cellWidth * to) - x, height, level)
  }
  box(-1, BARCODE.cells + 1, BLACK)
  cellsOf(value).forEach((white, index) => {
    if (white) box(index, index + 1, WHITE)
  })
}

/** The 42 cells: two for calibration, 32 of the value, and the exclusive or of its four bytes. */
function cellsOf(value: number): readonly boolean[] {
  const checksum = ((value >>> 24) ^ (value >>> 16) ^ (value >>> 8) ^ value) & 0xff
  const bits = (number: number, count: number): boolean[] =>
    Array.from({ length: count }, (_, index) => ((number >>> (count - 1 - index)) & 1) === 1)
  return [true, false, ...bits(value, 32), ...bits(checksum, 8)]
}
