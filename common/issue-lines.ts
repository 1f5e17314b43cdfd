import { z } from 'zod'

const MAX_LINES = 20
const MAX_LENGTH = 300

type Issue = z.core.$ZodIssue

/**
 * A line for each fault: the field, what was wrong, what is allowed. Values are not repeated: they may be secrets.
 * @param part what the fields are of: `path`, `query`, `body`, a document's name; empty for none
 */
export function issueLines(part: string, issues: readonly Issue[], schema?: z.ZodType): string[] {
  const lines = issues.slice(0, MAX_LINES).map((issue) => cut(lineOf(part, deepest(issue), schema)))
  if (issues.length > MAX_LINES) lines.push(`and ${issues.length - MAX_LINES} more`)
  return lines
}

function lineOf(part: string, issue: Issue, schema: z.ZodType | undefined): string {
  const field = [...(part === '' ? [] : [part]), ...issue.path.map(nameOf)].join('.') || 'document'
  if (issue.code !== 'unrecognized_keys') return `${field}: ${lowerFirst(issue.message)}`
  const unknown = issue.keys.slice(0, 10).map(nameOf).join(', ')
  const allowed = schema && fieldsAt(schema, issue.path)
  const hint = allowed === undefined ? '' : `; allowed: ${allowed.join(', ') || 'nothing'}`
  return `${field}: unknown: ${unknown}${hint}`
}

/** Of the issues of a union, those of the variant that matched furthest. */
function deepest(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  let best: Issue | undefined
  for (const variant of issue.errors)
    for (const inner of variant.map(deepest)) if (inner.path.length > (best?.path.length ?? 0)) best = inner
  return best ? { ...best, path: [...issue.path, ...best.path] } : { ...issue, message: unionMessage(issue) }
}

function unionMessage(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  const messages = new Set(issue.errors.flatMap((variant) => variant.map((inner) => deepest(inner).message)))
  return messages.size === 0 ? issue.message : [...messages].slice(0, 4).map(lowerFirst).join('; or ')
}

/** The fields of the object at `path` of a schema, where the schema tells them. */
function fieldsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] | undefined {
  let at: unknown = schema
  for (const step of [...path, null]) {
    while (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault)
      at = at.unwrap()
    if (step === null) break
    if (at instanceof z.ZodArray) at = at.element
    else if (at instanceof z.ZodRecord) at = at.valueType
    else if (at instanceof z.ZodObject) at = Reflect.get(at.shape, step)
    else return undefined
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : undefined
}

/** A key that the client chose, made fit for a line. */
function nameOf(key: PropertyKey): string {
  const text = String(key)
  return /^[\w.-]{1,64}$/.test(text) ? text : JSON.stringify(text.slice(0, 64).toWellFormed())
}

function lowerFirst(text: string): string {
  return text.replace(/^Invalid input: /, '').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
}

function cut(line: string): string {
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH - 1)}…`
}
