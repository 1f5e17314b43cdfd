import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CODES_BY_PLACE, ERROR_CODES, isErrorCode } from '../common/error-codes.ts'

/** Writes the list of codes into docs/api.md: `node tools/error-table.ts`. */

export const ERROR_PAGE = join(import.meta.dirname, '../docs/api.md')

/** The page with the list of codes as the catalogue has it, between its two marks. */
export function withErrorTables(page: string): string {
  const tables = `Answers over HTTP and protoo:\n\n${tableOf(CODES_BY_PLACE.answers)}\n\nLogs and tools:\n\n${tableOf(CODES_BY_PLACE.logs)}`
  return page.replace(
    /(<!-- codes -->\n).*(<!-- end of codes -->)/s,
    (_all, begin, end) => `${begin}\n${tables}\n\n${end}`,
  )
}

function tableOf(codes: readonly string[]): string {
  const rows = codes.filter(isErrorCode).map((code) => {
    const [status, meaning, todo] = ERROR_CODES[code]
    return `| \`${code}\` | ${status} | ${meaning} | ${todo} |`
  })
  return ['| code | status | what it means | what to do |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

if (import.meta.main) writeFileSync(ERROR_PAGE, withErrorTables(readFileSync(ERROR_PAGE, 'utf8')))
