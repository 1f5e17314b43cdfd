import type { JsonSchema } from '../../../server/api/openapi.ts'
import type { SeededRandom } from '../../fuzz/seeded-random.ts'

/** Values by a field's name that are right where the schema alone would make nonsense. */
export type Hints = Readonly<Record<string, readonly unknown[]>>

const TEXTS = ['a', 'cam-1', 'edge_2', 'x.y', 'Z9', 'role:viewer', 'lan', '0', 'abcdefghijklmnop']

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.below(from.length)]!
}

/** Something that a JSON schema allows, mostly. */
export function sampleOf(schema: JsonSchema, random: SeededRandom, hints: Hints, name = ''): unknown {
  const hinted = hints[name]
  if (hinted && random.below(10) > 0) return pick(random, hinted)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return pick(random, schema.enum)
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter(
    (each) => typeof each === 'object',
  )
  if (variants.length > 0) return sampleOf(pick(random, variants), random, hints, name)
  switch (schema.type) {
    case 'object':
      return objectOf(schema, random, hints)
    case 'array':
      return arrayOf(schema, random, hints, name)
    case 'integer':
    case 'number': {
      const least = Math.max(schema.minimum ?? 0, -1e6)
      const most = Math.min(schema.maximum ?? 1000, least + 10_000)
      return schema.type === 'integer'
        ? Math.ceil(least) + random.below(Math.max(1, Math.floor(most) - Math.ceil(least) + 1))
        : least + (most - least) * (random.below(1000) / 1000)
    }
    case 'boolean':
      return random.below(2) === 0
    case 'null':
      return null
    default:
      return textOf(schema, random).slice(0, schema.maxLength ?? 64)
  }
}

function textOf({ pattern }: JsonSchema, random: SeededRandom): string {
  const allowed = pattern === undefined ? TEXTS : TEXTS.filter((text) => new RegExp(pattern, 'u').test(text))
  return pick(random, allowed.length > 0 ? allowed : TEXTS)
}

function objectOf(schema: JsonSchema, random: SeededRandom, hints: Hints): unknown {
  const { properties = {}, required = [] } = schema
  const value: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(properties))
    if (typeof property === 'object' && (required.includes(name) || random.below(3) === 0))
      value[name] = sampleOf(property, random, hints, name)
  return value
}

function arrayOf(schema: JsonSchema, random: SeededRandom, hints: Hints, name: string): unknown[] {
  const { items, minItems = 0, maxItems = 3 } = schema
  if (typeof items !== 'object' || Array.isArray(items)) return []
  const length = minItems + random.below(Math.max(1, Math.min(3, maxItems - minItems + 1)))
  return Array.from({ length }, () => sampleOf(items, random, hints, name))
}

/** What nobody should send. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  Number.MAX_SAFE_INTEGER,
  1e308,
  -1e308,
  '',
  ' ',
  '../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '\0',
  'a\0b',
  'é😀\u202e',
  '\ud800',
  "'; DROP TABLE lanecast_document; --",
  '%{jndi:ldap://x}',
  '<script>alert(1)</script>',
  'x'.repeat(5000),
  [],
  {},
  [[[[[[[[[[]]]]]]]]]],
  { toString: 'x', valueOf: 1, hasOwnProperty: 'x' },
  Array.from({ length: 2000 }, () => 0),
  Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index])),
]

/** `value` with one place in it made wrong; null where nothing could be. */
export function spoiled(value: unknown, random: SeededRandom): unknown {
  const copy: unknown = structuredClone(value)
  const places = placesIn({ '': copy })
  const { holder, key } = pick(random, places)
  const inner = holder[key]
  if (typeof inner === 'object' && inner !== null && !Array.isArray(inner) && random.below(2) === 0) {
    Object.assign(inner, { unknown_field: pick(random, HOSTILE) })
    return copy
  }
  const wrong = pick(random, HOSTILE)
  if (key === '') return wrong
  holder[key] = wrong
  return copy
}

interface Place {
  readonly holder: Record<string, unknown>
  readonly key: string
}

function placesIn(value: object): Place[] {
  const holder = value as Record<string, unknown>
  return Object.entries(value).flatMap(([key, inner]) => [
    { holder, key },
    ...(typeof inner === 'object' && inner !== null ? placesIn(inner) : []),
  ])
}
