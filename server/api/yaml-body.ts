import { type Document, isScalar, parseDocument, visit } from 'yaml'
import { CodedError, messageOf } from '../../common/errors.ts'
import { badRequest } from './refusals.ts'

/** Nesting up to which YAML's recursive parser runs. Its result is checked against MAX_DEPTH afterwards. */
const MAX_YAML_OPEN = 200

/**
 * YAML 1.2, core schema: no tags that make objects, no merge keys, few aliases (a bomb is made of many).
 * @throws CodedError 400 with the line and its fault
 */
export function parseYaml(text: string): unknown {
  refuseDeepYaml(text)
  try {
    // The parser's pretty errors and its own search for repeated keys take quadratic time.
    const document = parseDocument(text, {
      schema: 'core',
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
    })
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) {
      const line = text.slice(0, problem.pos[0]).split('\n').length
      throw badRequest('the body is not YAML', [
        `body: line ${line}: ${problem.message.split('\n', 1)[0]?.slice(0, 200)}`,
      ])
    }
    refuseRepeatedKeys(document)
    return document.toJS({ maxAliasCount: 20 })
  } catch (error) {
    if (error instanceof CodedError) throw error
    throw badRequest('the body is not YAML', [`body: ${messageOf(error).split('\n', 1)[0]}`])
  }
}

/** YAML 1.2 section 3.2.1.3. Parsers differ on which of two equal keys counts. */
function refuseRepeatedKeys(document: Document): void {
  visit(document, {
    Map(_key, { items }) {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        const name: unknown = isScalar(key) ? key.value : key
        if (seen.has(name))
          throw badRequest('the body names a field twice', [
            `body: ${String(name).slice(0, 64)} stands twice`,
          ])
        seen.add(name)
      }
    },
  })
}

/** Counts what opens, ignoring what closes: brackets anywhere, and list dashes in a line. It need not be exact. */
function refuseDeepYaml(text: string): void {
  let open = 0
  for (const line of text.split('\n')) {
    let dashes = 0
    for (const character of line) {
      if (character === '[' || character === '{') open += 1
      else if (character === ']' || character === '}') open = Math.max(0, open - 1)
      else if (character === '-' || character === '?') dashes += 1
      if (open > MAX_YAML_OPEN || (dashes > MAX_YAML_OPEN && /^[\s?-]*$/.test(line.slice(0, MAX_YAML_OPEN))))
        throw badRequest('the body is nested too deeply', ['body: nested too deeply'])
    }
  }
}
