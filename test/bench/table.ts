/** A benchmark's result as text: scalars as lines, arrays of objects as tables. */
export function renderTable(result: Readonly<Record<string, unknown>>): string {
  const lines: string[] = []
  for (const [key, value] of Object.entries(result)) {
    if (Array.isArray(value)) lines.push('', ...rows(value as Record<string, unknown>[]))
    else lines.push(`${key.padEnd(40)}${cell(value)}`)
  }
  return `${lines.join('\n')}\n`
}

function rows(objects: readonly Record<string, unknown>[]): string[] {
  const columns = [...new Set(objects.flatMap((object) => Object.keys(object)))]
  const table = [columns, ...objects.map((object) => columns.map((column) => cell(object[column])))]
  const widths = columns.map((_, index) => Math.max(...table.map((row) => row[index]!.length)))
  return table.map((row) =>
    row
      .map((text, index) => text.padEnd(widths[index]! + 2))
      .join('')
      .trimEnd(),
  )
}

function cell(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
