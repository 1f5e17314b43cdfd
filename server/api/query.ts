import { z } from 'zod'
import { refusePrototypeKey } from './plain-data.ts'
import { badRequest } from './refusals.ts'

/** More fields than any route knows. */
const MAX_FIELDS = 50

/**
 * The query of a URL. A name that is given twice is refused, because parsers differ on which of the two counts.
 * @throws CodedError 400
 */
export function readQuery(url: string): Record<string, string> {
  const at = url.indexOf('?')
  const query: Record<string, string> = {}
  if (at === -1) return query
  const text = url.slice(at + 1)
  if (text.split('&', MAX_FIELDS + 1).length > MAX_FIELDS)
    throw badRequest('the query names too many fields', [`query: at most ${MAX_FIELDS} fields`])
  for (const [name, value] of new URLSearchParams(text)) {
    refusePrototypeKey('query', name)
    if (Object.hasOwn(query, name))
      throw badRequest('the query names a field twice', [`query: ${JSON.stringify(name.slice(0, 64))} twice`])
    query[name] = value
  }
  return query
}

/** Numbers and booleans of a path or query come as text. Converts those that the schema does not want as text. */
export function typedText(
  schema: z.ZodObject | undefined,
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typed(schema && fieldOf(schema, name), value)]),
  )
}

function fieldOf(schema: z.ZodObject, name: string): unknown {
  let field: unknown = Object.hasOwn(schema.shape, name) ? schema.shape[name] : undefined
  while (field instanceof z.ZodOptional || field instanceof z.ZodDefault) field = field.unwrap()
  return field
}

function typed(field: unknown, value: unknown): unknown {
  if (typeof value !== 'string') return value
  if (field instanceof z.ZodNumber) return /^-?\d{1,15}(\.\d{1,15})?$/.test(value) ? Number(value) : value
  if (field instanceof z.ZodBoolean) return value === 'true' ? true : value === 'false' ? false : value
  return value
}
