import { CodedError, messageOf } from './errors.ts'

/**
 * JSON in the one form of RFC 8785: members sorted by UTF-16 code units, no white space, so that equal values have
 * equal text. It leaves out `undefined` and turns `NaN` into null, as `JSON.stringify` does.
 * @throws CodedError `not_json` for what JSON can't hold: cycles, BigInt, nesting too deep for the stack
 */
export function canonicalJson(value: unknown): string {
  try {
    return write(JSON.parse(JSON.stringify(value) ?? 'null'))
  } catch (error) {
    throw new CodedError('not_json', `can't be written as JSON: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** `value` comes from JSON.parse: null, booleans, finite numbers, strings, arrays and plain objects of these. */
function write(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(',')}}`
}
