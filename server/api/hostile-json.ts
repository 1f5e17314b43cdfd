import { MAX_DEPTH, PROTOTYPE_KEY_LENGTHS, refusePrototypeKey, tooDeep } from './plain-data.ts'
import { badRequest } from './refusals.ts'

/** Most values in a body: a full batch of telemetry has 15,000. Each value takes later parsers a microsecond. */
const MAX_VALUES = 16_000
/** Most fields of one object. Objects with thousands of fields become hash tables, slow to make and to search. */
const MAX_FIELDS = 100

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const SPEAKS = new Uint8Array(256)
for (const byte of [QUOTE, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT]) SPEAKS[byte] = 1

/**
 * Refuses JSON that would take long to parse, or that holds what no request of ours needs (see plain-data.ts). This
 * looks at bytes alone: a MiB takes 4 ms. The parser says later whether the bytes are JSON at all.
 * @throws CodedError 400
 */
export function refuseHostileJson(bytes: Buffer): void {
  let values = 1
  let depth = 0
  /** The next text is a field's name. */
  let isName = false
  /** Number of fields so far of each open object; -1 for an open list. */
  const fields = new Int16Array(MAX_DEPTH + 1)
  fields[0] = -1
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at]!
    // Most bytes mean nothing here: a table lookup is faster than comparing each byte with all that do.
    if (SPEAKS[byte] === 0) continue
    if (byte === QUOTE) {
      const end = endOfText(bytes, at)
      if (isName) refuseName(bytes, at + 1, end)
      isName = false
      at = end
    } else if (byte === COMMA) {
      values += 1
      isName = fields[depth]! >= 0
      if (isName) {
        fields[depth]! += 1
        if (fields[depth]! > MAX_FIELDS) throw crowded(`one object has more than ${MAX_FIELDS} fields`)
      }
    } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      values += 1
      depth += 1
      if (depth > MAX_DEPTH) throw tooDeep('body')
      isName = byte === OPEN_OBJECT
      fields[depth] = isName ? 1 : -1
    } else if ((byte === CLOSE_LIST || byte === CLOSE_OBJECT) && depth > 0) depth -= 1
    if (values > MAX_VALUES) throw crowded(`more than ${MAX_VALUES} values`)
  }
}

/** The closing quote of the text that begins at `from`; the end of `bytes` where there is none. */
function endOfText(bytes: Buffer, from: number): number {
  for (let at = from + 1; at < bytes.length; at += 1) {
    if (bytes[at] === QUOTE) return at
    if (bytes[at] === BACKSLASH) at += 1
  }
  return bytes.length
}

/** Parses only names as long as a forbidden name, and names with escapes, which may spell a forbidden name. */
function refuseName(bytes: Buffer, from: number, to: number): void {
  const escaped = bytes.subarray(from, to).includes(BACKSLASH)
  if (!escaped && !PROTOTYPE_KEY_LENGTHS.has(to - from)) return
  const name = bytes.toString('utf8', from, to)
  refusePrototypeKey('body', escaped ? unescaped(name) : name)
}

function unescaped(text: string): string {
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text
  }
}

function crowded(what: string): Error {
  return badRequest('the body holds too much', [`body: ${what}`])
}
