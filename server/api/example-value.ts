import type { JsonSchema } from './openapi.ts'

/** Examples by a field's name, where its schema alone would make a dull or wrong one. */
const BY_NAME: Readonly<Record<string, unknown>> = {
  tenant_id: 'default',
  stream_id: 'cam-1',
  node_id: 'edge-1',
  link_id: 'lte-1',
  contract_id: 'c-1',
  flow_id: 'c-1',
  token_id: 'abcdefghijklmnop',
  enrolment_token_id: 'abcdefghijklmnop',
  enrollment_token: 'le_…',
  csr: '-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n',
  subject: 'alice',
  subjects: ['role:viewer'],
  streams: ['cam-*'],
  version: 1,
  at: 1_800_000_000_000,
  rtt_ms: 42,
  jitter_ms: 3,
  loss: 0.01,
  bitrate_kbps: 3000,
  queue_depth: 0,
  reason: 'by hand',
  display_name: 'Field unit 1',
  url: 'https://example.com/hook',
}

/** Something that the schema allows, as a person would write it: what is required, and nothing else. */
export function exampleOf(schema: JsonSchema, name = ''): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.examples?.[0] !== undefined) return schema.examples[0]
  if (schema.enum?.[0] !== undefined) return schema.enum[0]
  if (name in BY_NAME && fitsType(schema, BY_NAME[name])) return BY_NAME[name]
  const [variant] = schema.anyOf ?? schema.oneOf ?? []
  if (typeof variant === 'object') return exampleOf(variant, name)
  switch (schema.type) {
    case 'object':
      return exampleObject(schema)
    case 'array':
      return exampleArray(schema, name)
    case 'integer':
    case 'number':
      return typeof schema.default === 'number' ? schema.default : Math.max(1, schema.minimum ?? 1)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return '…'
  }
}

function exampleObject({ properties = {}, required = [], minProperties = 0 }: JsonSchema): unknown {
  const wanted = required.length > 0 || minProperties === 0 ? required : Object.keys(properties).slice(0, 1)
  return Object.fromEntries(
    wanted.map((name) => {
      const property = properties[name]
      return [name, typeof property === 'object' ? exampleOf(property, name) : '…']
    }),
  )
}

function exampleArray({ items, minItems = 0 }: JsonSchema, name: string): unknown[] {
  if (minItems === 0 || typeof items !== 'object' || Array.isArray(items)) return []
  return [exampleOf(items, name)]
}

function fitsType({ type, anyOf, oneOf }: JsonSchema, value: unknown): boolean {
  const variants = [...(anyOf ?? []), ...(oneOf ?? [])]
  if (variants.length > 0)
    return variants.some((variant) => typeof variant === 'object' && fitsType(variant, value))
  if (Array.isArray(value)) return type === 'array'
  if (typeof value === 'number') return type === 'number' || (type === 'integer' && Number.isInteger(value))
  return type === typeof value
}
