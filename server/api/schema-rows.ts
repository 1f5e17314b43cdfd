import type { JsonSchema } from './openapi.ts'

/** One field of a body or answer, for people. */
export interface SchemaRow {
  /** `links[].link_id`. */
  readonly field: string
  readonly type: string
  readonly required: boolean
  /** Bounds, choices, defaults and meaning. */
  readonly notes: readonly string[]
}

const MAX_ROWS = 120

/** Every field of a schema, those of objects in objects too, one row each. */
export function schemaRows(schema: JsonSchema, prefix = ''): SchemaRow[] {
  const rows: SchemaRow[] = []
  visit(schema, prefix, rows)
  return rows.slice(0, MAX_ROWS)
}

function visit(schema: JsonSchema, prefix: string, rows: SchemaRow[]): void {
  for (const variant of objectsIn(schema)) {
    const { properties = {}, required = [] } = variant
    for (const [name, property] of Object.entries(properties)) {
      const field = `${prefix}${name}`
      if (typeof property !== 'object' || rows.some((row) => row.field === field)) continue
      rows.push({
        field,
        type: typeOf(property),
        required: required.includes(name),
        notes: notesOf(property),
      })
      visit(property, isArray(property) ? `${field}[].` : `${field}.`, rows)
    }
  }
}

/** The objects that a value of the schema may be, or an array's entries. */
function objectsIn(schema: JsonSchema): JsonSchema[] {
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  if (variants.length > 0)
    return variants.flatMap((each) => (typeof each === 'object' ? objectsIn(each) : []))
  const { items } = schema
  if (schema.type === 'array' && typeof items === 'object' && !Array.isArray(items)) return objectsIn(items)
  return schema.properties === undefined ? [] : [schema]
}

function isArray(schema: JsonSchema): boolean {
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  if (variants.length > 0) return variants.some((each) => typeof each === 'object' && isArray(each))
  return schema.type === 'array'
}

/** `integer`, `string or null`, `array of strings`. */
export function typeOf(schema: JsonSchema): string {
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  if (variants.length > 0)
    return [...new Set(variants.flatMap((each) => (typeof each === 'object' ? [typeOf(each)] : [])))].join(
      ' or ',
    )
  const { type, items } = schema
  if (type === 'array' && typeof items === 'object' && !Array.isArray(items))
    return `array of ${typeOf(items)}`
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  return typeof type === 'string' ? type : 'any'
}

/** What is allowed and what is meant, in short pieces. */
export function notesOf(schema: JsonSchema): string[] {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern } = schema
  const choices = schema.enum ?? entryChoices(schema)
  return [
    ...(schema.description === undefined ? [] : [schema.description]),
    ...(choices === undefined ? [] : [choices.map((each) => JSON.stringify(each)).join(', ')]),
    ...between(minimum, maximum, ''),
    ...between(minLength, maxLength, ' characters'),
    ...between(minItems, maxItems, ' entries'),
    ...(pattern === undefined || pattern.length > 80 ? [] : [`matches ${pattern}`]),
    ...(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]),
  ]
}

function entryChoices({ items }: JsonSchema): readonly unknown[] | undefined {
  return typeof items === 'object' && !Array.isArray(items) ? items.enum : undefined
}

function between(least: number | undefined, most: number | undefined, unit: string): string[] {
  const bounded = (bound: number | undefined) =>
    bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER
  if (bounded(least) && bounded(most)) return [`${least} to ${most}${unit}`]
  if (bounded(most)) return [`at most ${most}${unit}`]
  return bounded(least) && least !== 0 ? [`at least ${least}${unit}`] : []
}
