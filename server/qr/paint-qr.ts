import type { Modules } from './qr-grid.ts'

/** Light modules around a code (ISO/IEC 18004 section 6.3.8). */
const QUIET = 4

/** An SVG picture of a code, 8 px a module, dark on white. */
export function qrSvg(modules: Modules): string {
  const side = modules.length + 2 * QUIET
  const dark = modules.flatMap((line, row) =>
    [...line].flatMap((module, column) => (module === 1 ? `M${column + QUIET} ${row + QUIET}h1v1h-1z` : [])),
  )
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${8 * side}" height="${8 * side}" viewBox="0 0 ${side} ${side}" ` +
    `shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${dark.join('')}"/></svg>`
  )
}

/** A code for a terminal: two rows a line in half blocks, light where the terminal is dark, so that any reader takes it. */
export function qrTerminal(modules: Modules): string {
  const side = modules.length
  const light = (row: number, column: number) => modules[row]?.[column] !== 1
  const lines: string[] = []
  for (let row = -QUIET; row < side + QUIET; row += 2) {
    let line = ''
    for (let column = -QUIET; column < side + QUIET; column += 1) {
      const [top, bottom] = [light(row, column), row + 1 >= side + QUIET ? false : light(row + 1, column)]
      line += top ? (bottom ? '█' : '▀') : bottom ? '▄' : ' '
    }
    lines.push(line)
  }
  return `${lines.join('\n')}\n`
}
