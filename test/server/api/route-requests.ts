import type { OpenApiDocument, OpenApiOperation } from '../../../server/api/openapi.ts'
import type { SeededRandom } from '../../fuzz/seeded-random.ts'
import { spoiltOffer } from '../../support/spoilt-offer.ts'
import type { RawClient, RawRequest } from './raw-request.ts'
import { type Hints, pick, sampleOf, spoiled } from './schema-values.ts'

/** One operation of the OpenAPI document. */
export interface Operation {
  readonly method: string
  readonly path: string
  readonly operation: OpenApiOperation
}

/** Every operation that the hub's own document names. */
export async function operationsOf(client: RawClient): Promise<Operation[]> {
  const { text } = await client.send({ method: 'GET', path: '/openapi.json' })
  const document: OpenApiDocument = JSON.parse(text)
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )
}

/** The parts of a request before they are put together, so that each can be made wrong by itself. */
export interface RequestParts {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  /** Undefined for none. */
  readonly body: unknown
}

/** A request that should be accepted. Whether its objects exist is another matter. */
export function validParts({ path, operation }: Operation, random: SeededRandom, hints: Hints): RequestParts {
  const of = (where: string, wanted: (required: boolean) => boolean) =>
    Object.fromEntries(
      operation.parameters
        .filter((each) => each.in === where && wanted(each.required))
        .map(({ name, schema }) => [name, String(sampleOf(schema, random, hints, name))]),
    )
  const [[type, body] = []] = Object.entries(operation.requestBody?.content ?? {})
  const params = of('path', () => true)
  return {
    params: { ...params, ...placeAt(path, params, random, hints) },
    query: of('query', (required) => required || random.below(4) === 0),
    headers: {
      ...(type === undefined ? {} : { 'content-type': type }),
      ...('If-Match' in of('header', () => true)
        ? { 'if-match': pick(random, ['"0"', '"1"', '"2"', '*']) }
        : {}),
    },
    body: body && sampleOf(body.schema, random, hints, `${type} ${path.split('/')[1]}`),
  }
}

/** At the doors of WHIP and WHEP mostly one stream and its sessions; nothing elsewhere. */
function placeAt(
  path: string,
  params: RequestParts['params'],
  random: SeededRandom,
  hints: Hints,
): RequestParts['params'] {
  if (!/^\/whip|^\/whep/.test(path)) return {}
  if (!('session_id' in params)) return random.below(4) > 0 ? { stream_id: 'cam-doors' } : {}
  const made = (hints['session'] ?? []).map((each) => String(each).split('/'))
  const there = made.filter(([, door]) => path.startsWith(`/${door}/`))
  if (there.length === 0) return {}
  // Recent ones: others have ended the older ones.
  const [, , stream_id = '', session_id = ''] = pick(random, there.slice(-3))
  return { stream_id, session_id }
}

export function requestOf({ method, path }: Operation, parts: RequestParts): RawRequest {
  const { params, query, headers, body } = parts
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? 'x'))
  const search = new URLSearchParams(query).toString()
  return {
    method: method.toUpperCase(),
    path: search === '' ? filled : `${filled}?${search}`,
    headers,
    body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  }
}

const PATHS = [
  '..%2f..%2f..%2fetc%2fpasswd',
  '%2e%2e',
  '..',
  '%00',
  '__proto__',
  'constructor',
  'a%00b',
  '%E0%A4%A',
  '%ff',
  'a'.repeat(300),
  "'%20OR%201=1%20--",
  '%F0%9F%98%80',
  '-x',
  '%20',
  'a%2Fb',
  '*',
]

const QUERIES = [
  'unknown_field=1',
  '__proto__=1',
  'constructor[prototype][x]=1',
  'limit=1&limit=2',
  'limit=-1',
  'limit=1e9',
  'limit=NaN',
  'limit=',
  'after=%00',
  'after=%ff',
  'tenant_id=..%2f..',
  'tenant_id[]=a',
  `after=${'x'.repeat(3000)}`,
  '%',
  '&&&=&',
]

const BODIES: readonly (readonly [type: string, body: string | Uint8Array])[] = [
  ['application/json', ''],
  ['application/json', '{'],
  ['application/json', 'null'],
  ['application/json', '[]'],
  ['application/json', '"x"'],
  ['application/json', '1e999'],
  ['application/json', '{"__proto__":{"admin":true}}'],
  ['application/json', '{"constructor":{"prototype":{"admin":true}}}'],
  ['application/json', '{"a":{"__proto__":null}}'],
  ['application/json', `${'['.repeat(40)}${']'.repeat(40)}`],
  ['application/json', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ['application/json', '['.repeat(500_000)],
  ['application/json', `"${'x'.repeat(1024 * 1024 + 10)}"`],
  ['application/json', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
  ['application/json; charset=latin1', '{}'],
  ['text/plain', '{}'],
  ['application/xml', '<x/>'],
  ['application/x-www-form-urlencoded', 'a=b'],
  ['multipart/form-data; boundary=x', '--x--'],
  ['__proto__', '{}'],
  [
    'application/yaml',
    `a: &a [x, x]\nb: &b [*a, *a, *a, *a]\nc: &c [*b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c]`,
  ],
  ['application/yaml', '{'.repeat(100_000)],
  ['application/yaml', '- '.repeat(50_000)],
  ['application/yaml', '__proto__: {admin: true}'],
  ['application/yaml', '!!js/function "x"'],
  ['application/yaml', 'a: 1\na: 2'],
  ['application/yaml', '<<: {a: 1}'],
  ['application/yaml', '\t\0'],
  ['application/sdp', ''],
  ['application/sdp', 'v=0'],
  ['application/sdp', 'm=audio 9 X 0\r\n'.repeat(3000)],
  ['application/sdp', Buffer.from([0xff, 0xfe])],
  ['application/sdp', 'x'.repeat(70_000)],
  ['application/trickle-ice-sdpfrag', 'a=candidate:1 1 UDP 1 x 9 typ host'],
  ['application/trickle-ice-sdpfrag', 'x'.repeat(20_000)],
]

/** A request that is wrong in one way, and which way that is. */
export function hostileRequest(
  target: Operation,
  random: SeededRandom,
  hints: Hints,
): { what: string; request: RawRequest } {
  const parts = validParts(target, random, hints)
  const good = requestOf(target, parts)
  const hasParams = Object.keys(parts.params).length > 0
  const ways = [
    ...(hasParams ? ['path', 'path'] : []),
    'query',
    'body',
    ...(parts.body === undefined ? [] : ['field', 'field', 'field', 'field', 'encoding']),
    'if-match',
  ]
  const what = pick(random, ways)
  switch (what) {
    case 'path': {
      const wrong = pick(random, PATHS)
      return {
        what: `path ${wrong}`,
        request: { ...good, path: target.path.replace(/\{\w+\}/, wrong).replace(/\{\w+\}/g, 'x') },
      }
    }
    case 'query': {
      const wrong = pick(random, QUERIES)
      return {
        what: `query ${wrong.slice(0, 40)}`,
        request: { ...good, path: `${good.path.split('?')[0]}?${wrong}` },
      }
    }
    case 'body': {
      const [type, body] = pick(random, BODIES)
      return {
        what: `body of ${type}: ${String(body).slice(0, 30)}`,
        request: { ...good, headers: { ...good.headers, 'content-type': type }, body },
      }
    }
    case 'field': {
      const body =
        typeof parts.body === 'string'
          ? spoiltOffer(parts.body, random)
          : JSON.stringify(spoiled(parts.body, random))
      return { what: 'field', request: { ...good, body: body ?? 'null' } }
    }
    case 'encoding':
      return { what: 'gzip', request: { ...good, headers: { ...good.headers, 'content-encoding': 'gzip' } } }
    default: {
      const tag = pick(random, [
        '"',
        'x',
        'W/"1"',
        '"999999999999999999999"',
        '"-1"',
        '""',
        '*,*',
        '"a", "b"',
      ])
      return { what: `If-Match ${tag}`, request: { ...good, headers: { ...good.headers, 'if-match': tag } } }
    }
  }
}
