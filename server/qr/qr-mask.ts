import type { Modules } from './qr-grid.ts'

/** Whether a mask turns the module of a row and a column (ISO/IEC 18004 section 7.8.2). */
export const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (row, column) => (row + column) % 2 === 0,
  (row) => row % 2 === 0,
  (_row, column) => column % 3 === 0,
  (row, column) => (row + column) % 3 === 0,
  (row, column) => (Math.floor(row / 2) + Math.floor(column / 3)) % 2 === 0,
  (row, column) => ((row * column) % 2) + ((row * column) % 3) === 0,
  (row, column) => (((row * column) % 2) + ((row * column) % 3)) % 2 === 0,
  (row, column) => (((row + column) % 2) + ((row * column) % 3)) % 2 === 0,
]

/** A finder pattern with light modules on one side, which a reader could take for one. */
const LIKE_A_FINDER = [
  [1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0],
  [0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1],
] as const

/** How hard a code is to read (section 7.8.3): the mask with the lowest penalty is taken. */
export function penaltyOf(modules: Modules): number {
  const side = modules.length
  const columns = Array.from({ length: side }, (_, column) => modules.map((row) => row[column]!))
  let penalty = 0
  for (const line of [...modules, ...columns]) penalty += runs(line) + finders(line)
  let dark = 0
  for (const [row, line] of modules.entries())
    for (const [column, module] of line.entries()) {
      dark += module
      const below = modules[row + 1]
      if (below === undefined || column + 1 >= side) continue
      if (module === line[column + 1] && module === below[column] && module === below[column + 1])
        penalty += 3
    }
  return penalty + 10 * Math.floor(Math.abs((20 * dark) / side ** 2 - 10))
}

/** Five and more of one colour. */
function runs(line: ArrayLike<number>): number {
  let [penalty, length] = [0, 1]
  for (let at = 1; at <= line.length; at += 1) {
    if (at < line.length && line[at] === line[at - 1]) length += 1
    else {
      if (length >= 5) penalty += length - 2
      length = 1
    }
  }
  return penalty
}

function finders(line: ArrayLike<number>): number {
  let penalty = 0
  for (let at = 0; at + 11 <= line.length; at += 1)
    for (const pattern of LIKE_A_FINDER)
      if (pattern.every((dark, index) => line[at + index] === dark)) penalty += 40
  return penalty
}
