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
  return rowsOf(schema, prefix).slice(0, MAX_ROWS)
}

/** Fields of variants with the same name share a row. */
function rowsOf(schema: JsonSchema, prefix: string): SchemaRow[] {
  const variants = objectsIn(schema).map((variant) => rowsOfObject(variant, prefix))
  const rows = new Map<string, SchemaRow>()
  for (const row of variants.flat()) {
    const before = rows.get(row.field)
    rows.set(row.field, before ? merged(before, row) : row)
  }
  const everywhere = ({ field }: SchemaRow) =>
    variants.every((own) => own.some((row) => row.field === field && row.required))
  return [...rows.values()].map((row) => ({ ...row, required: everywhere(row) }))
}

function rowsOfObject({ properties = {}, required = [] }: JsonSchema, prefix: string): SchemaRow[] {
  return Object.entries(properties).flatMap(([name, property]) => {
    if (typeof property !== 'object') return []
    const field = `${prefix}${name}`
    const row = { field, type: typeOf(property), required: required.includes(name), notes: notesOf(property) }
    const inside = rowsOf(property, isArray(property) ? `${field}[].` : `${field}.`)
    return [row, ...inside]
  })
}

function merged(one: SchemaRow, other: SchemaRow): SchemaRow {
  return {
    ...one,
    type: [...new Set([...one.type.split(' or '), ...other.type.split(' or ')])].join(' or '),
    notes: [...new Set([...one.notes, ...other.notes])],
  }
}

/** The objects that a value of the schema may be, or an array's entries. */
function objectsIn(schema: JsonSchema): JsonSchema[] {
  const variants = variantsOf(schema)
  if (variants.length > 0) return variants.flatMap(objectsIn)
  const { items } = schema
  if (schema.type === 'array' && typeof items === 'object' && !Array.isArray(items)) return objectsIn(items)
  return schema.properties === undefined ? [] : [schema]
}

function variantsOf({ anyOf = [], oneOf = [], allOf = [] }: JsonSchema): JsonSchema[] {
  return [...anyOf, ...oneOf, ...allOf].filter((each) => typeof each === 'object')
}

function isArray(schema: JsonSchema): boolean {
  return schema.type === 'array' || variantsOf(schema).some(isArray)
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
    ...(schema.properties === undefined ? variantsOf(schema).flatMap(notesOf) : []),
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
