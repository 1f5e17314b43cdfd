import type { QrSize } from './qr-sizes.ts'

/** A square of modules: 1 is dark. */
export type Modules = readonly Uint8Array[]

/** A code that has its patterns and waits for its data. */
export interface QrGrid {
  readonly modules: Uint8Array[]
  /** 1 where a module belongs to a pattern or to the format, and holds no data. */
  readonly taken: Uint8Array[]
}

/** Level M (Table 12). */
const LEVEL_BITS = 0b00
const FORMAT_GENERATOR = 0b101_0011_0111
const FORMAT_MASK = 0b101_0100_0001_0010
const VERSION_GENERATOR = 0b1_1111_0010_0101

/** The patterns of a size (ISO/IEC 18004 section 6.3), and room for the format. */
export function emptyGrid({ modules: side, alignment }: QrSize): QrGrid {
  const modules = Array.from({ length: side }, () => new Uint8Array(side))
  const taken = Array.from({ length: side }, () => new Uint8Array(side))
  const set = (row: number, column: number, dark: boolean) => {
    if (row < 0 || column < 0 || row >= side || column >= side) return
    modules[row]![column] = dark ? 1 : 0
    taken[row]![column] = 1
  }
  for (let at = 0; at < side; at += 1) {
    set(6, at, at % 2 === 0)
    set(at, 6, at % 2 === 0)
  }
  for (const [row, column] of [
    [3, 3],
    [3, side - 4],
    [side - 4, 3],
  ] as const)
    around(4, (down, right, ring) => set(row + down, column + right, ring !== 2 && ring !== 4))
  for (const row of alignment)
    for (const column of alignment)
      if (!isFinder(row, column, side))
        around(2, (down, right, ring) => set(row + down, column + right, ring !== 1))
  const grid = { modules, taken }
  writeFormat(grid, 0)
  writeVersion(grid)
  return grid
}

/** Writes which mask the data has (section 7.9). */
export function writeFormat({ modules, taken }: QrGrid, mask: number): void {
  const side = modules.length
  const data = (LEVEL_BITS << 3) | mask
  const bits = ((data << 10) | remainder(data << 10, FORMAT_GENERATOR)) ^ FORMAT_MASK
  const set = (row: number, column: number, dark: number) => {
    modules[row]![column] = dark
    taken[row]![column] = 1
  }
  for (let index = 0; index < 15; index += 1) {
    const dark = (bits >> index) & 1
    // The timing patterns are left out.
    set(index < 6 ? index : index < 8 ? index + 1 : side - 15 + index, 8, dark)
    set(8, index < 8 ? side - 1 - index : index === 8 ? 7 : 14 - index, dark)
  }
  set(side - 8, 8, 1)
}

/** Versions from 7 on say which they are (section 7.10). */
function writeVersion({ modules, taken }: QrGrid): void {
  const side = modules.length
  const version = (side - 17) / 4
  if (version < 7) return
  const bits = (version << 12) | remainder(version << 12, VERSION_GENERATOR)
  for (let index = 0; index < 18; index += 1) {
    const [far, near] = [side - 11 + (index % 3), Math.floor(index / 3)]
    for (const [row, column] of [
      [far, near],
      [near, far],
    ] as const) {
      modules[row]![column] = (bits >> index) & 1
      taken[row]![column] = 1
    }
  }
}

/** The remainder of a division of polynomials over GF(2). */
function remainder(dividend: number, divisor: number): number {
  const degree = 31 - Math.clz32(divisor)
  let rest = dividend
  for (let bit = 31 - Math.clz32(rest); rest !== 0 && bit >= degree; bit = 31 - Math.clz32(rest))
    rest ^= divisor << (bit - degree)
  return rest
}

function around(radius: number, visit: (down: number, right: number, ring: number) => void): void {
  for (let down = -radius; down <= radius; down += 1)
    for (let right = -radius; right <= radius; right += 1)
      visit(down, right, Math.max(Math.abs(down), Math.abs(right)))
}

function isFinder(row: number, column: number, side: number): boolean {
  const [top, left] = [row < 9, column < 9]
  return (top && left) || (top && column > side - 9) || (left && row > side - 9)
}
