import { deflateSync } from 'node:zlib'
import type { JsonSchema } from '../../../server/api/openapi.ts'
import { PLAYER_OFFER, SIMULCAST_OFFER } from '../../support/offers.ts'
import { chunk } from '../slates/picture-files.ts'
import type { Operation } from './route-requests.ts'

const MIB = 1024 * 1024
const YAML_BYTES = 64 * 1024

/** Copies of `item` between `open` and `close`, as many as fit. */
function filled(open: string, item: string, close: string, bytes = MIB): string {
  const count = Math.floor((bytes - open.length - close.length + 1) / (item.length + 1))
  return open + Array.from({ length: count }, () => item).join(',') + close
}

export const numbered = (count: number, item: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => item(index))

const RULE = (streams: string): string =>
  `{"effect":"allow","subjects":["*"],"actions":["*"],"streams":[${streams}]}`
const WRONG_REPORT = `{${numbered(14, (index) => `"f${index}":[]`).join(',')}}`

/** The longest policy that is taken. */
export const LARGEST_POLICY = `{"acl":[${numbered(98, (rule) =>
  RULE(numbered(100, (name) => `"${'x'.repeat(55)}-${rule}-${name}"`).join(',')),
).join(',')}]}`

/** Whatever a route takes, this is what JSON can be at worst. */
const JSON_BODIES: Readonly<Record<string, string>> = {
  'empty objects': filled('[', '{}', ']'),
  'empty lists': filled('[', '[]', ']'),
  numbers: filled('[', '1', ']'),
  'empty texts': filled('[', '""', ']'),
  fields: `{${numbered(80_000, (index) => `"k${index}":1`).join(',')}}`,
  'fields of many objects': `[${numbered(70, (at) => `{${numbered(190, (index) => `"k${at}x${index}":1`).join(',')}}`).join(',')}]`,
  'a field again and again': filled('{', '"a":1', '}'),
  'deep and wide': filled('[', '['.repeat(30) + ']'.repeat(30), ']'),
  deep: '['.repeat(MIB),
  'a long text': JSON.stringify('a'.repeat(MIB - 10)),
  'a long key': `{"${'a'.repeat(MIB - 10)}":1}`,
  'a text of escapes': `"${'\\u0041'.repeat(MIB / 6 - 10)}"`,
  'half a text of quotes': '\\"'.repeat(MIB / 2),
  'a long number': '1'.repeat(MIB),
  spaces: ' '.repeat(MIB),
}

const YAML_BODIES: Readonly<Record<string, string>> = {
  'anchors and aliases': filled(
    '[',
    numbered(500, (index) => `&${index} x,*${index}`).join(','),
    ']',
    YAML_BYTES,
  ),
  'aliases of aliases': numbered(
    200,
    (index) => `a${index}: &a${index} [*a${Math.max(0, index - 1)}, x]`,
  ).join('\n'),
  commas: `[${','.repeat(YAML_BYTES - 1)}`,
  'open lists': '['.repeat(YAML_BYTES),
  'open objects': '{'.repeat(YAML_BYTES),
  dashes: '- '.repeat(YAML_BYTES / 2),
  'explicit keys': '? '.repeat(YAML_BYTES / 2),
  'objects in a line': filled('[', '{a: 1}', ']', YAML_BYTES),
  keys: numbered(6000, (index) => `k${index}: 1`).join('\n'),
  'keys without values': numbered(9000, (index) => `k${index}:`).join('\n'),
  'a long key': `${'k'.repeat(YAML_BYTES - 5)}: 1`,
  'a long text': `"${'x'.repeat(YAML_BYTES - 2)}"`,
  'a text of escapes': `"${'\\x41'.repeat(YAML_BYTES / 4 - 1)}"`,
  'a text over lines': `a: "${'x\n '.repeat(YAML_BYTES / 3 - 10)}"`,
  'a block': `a: |\n${' x\n'.repeat(YAML_BYTES / 3 - 4)}`,
  'a folded block': `a: >\n${' x\n\n'.repeat(YAML_BYTES / 4 - 4)}`,
  comments: '#\n'.repeat(YAML_BYTES / 2),
  'comments between': 'a:\n#\n'.repeat(YAML_BYTES / 5),
  documents: '---\n'.repeat(YAML_BYTES / 4),
  directives: '%A b\n'.repeat(YAML_BYTES / 5),
  tags: filled('[', '!!str x', ']', YAML_BYTES),
  spaces: ' '.repeat(YAML_BYTES),
  'lines of spaces': ' \n'.repeat(YAML_BYTES / 2),
  tabs: '\t'.repeat(YAML_BYTES),
  quotes: "'".repeat(YAML_BYTES),
  colons: ':'.repeat(YAML_BYTES),
  'colons and spaces': ': '.repeat(YAML_BYTES / 2),
  stairs: numbered(300, (index) => `${' '.repeat(index)}a:`).join('\n'),
}

/** An offer of nearly 64 KiB: a real one, and this line as often as it fits. */
const offerWith = (offer: string, line: (index: number) => string): string => {
  const lines = [offer.trimEnd()]
  for (let [length, index] = [offer.length, 0]; length < 64_000; index += 1) {
    lines.push(line(index))
    length += lines.at(-1)!.length + 2
  }
  return `${lines.join('\r\n')}\r\n`
}

const SDP_LINES: Readonly<Record<string, (index: number) => string>> = {
  candidates: (index) => `a=candidate:${index} 1 UDP 1 1.2.3.4 9 typ host`,
  ssrcs: (index) => `a=ssrc:${index} cname:x`,
  extmaps: (index) => `a=extmap:${(index % 250) + 1} urn:x`,
  codecs: (index) => `a=rtpmap:${index % 128} VP8/90000`,
  formats: (index) => `a=fmtp:${index % 128} a=b`,
  feedback: (index) => `a=rtcp-fb:${index % 128} nack`,
  layers: (index) => `a=rid:l${index} send`,
  groups: () => 'a=group:BUNDLE 0',
  sections: () => 'm=video 9 UDP/TLS/RTP/SAVPF 96',
  'what nobody knows': () => 'a=x',
  'a long line': () => `a=simulcast:send ${'a;'.repeat(30_000)}`,
  'a long image': () => `a=imageattr:96 send ${'[x=1] '.repeat(10_000)}`,
}

/** What there is nothing of but JSON: lists as long as their schema lets them be, and longer. */
function crowdedSamples(schema: JsonSchema, sample: unknown): Record<string, string> {
  const found: Record<string, string> = {}
  const lists = Object.entries(schema.properties ?? {}).filter(
    ([, each]) => typeof each === 'object' && each.type === 'array',
  )
  const base = typeof sample === 'object' && sample !== null ? sample : {}
  for (const [name] of lists)
    for (const item of [{}, '', null, 'a'])
      found[`${name} of ${JSON.stringify(item)}`] = JSON.stringify({
        ...base,
        [name]: Array.from({ length: 19_000 }, () => item),
      })
  return found
}

/** What costs most of JSON_BODIES: tried on every route, and all of them on one. */
const WORST_JSON = ['empty lists', 'fields of many objects', 'deep and wide', 'a text of escapes']

const PICTURE_BYTES = 2 * 1024 * 1024 - 1000

/** A PNG of as many and as long chunks as are taken. */
function crowdedPng(): Buffer {
  const head = Buffer.alloc(13)
  head.set([0, 0, 0, 1, 0, 0, 0, 1, 8], 0)
  const texts = Array.from({ length: 4900 }, () =>
    chunk('tEXt', Buffer.alloc(Math.floor(PICTURE_BYTES / 4900) - 12)),
  )
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    ...texts,
    chunk('IDAT', deflateSync(Buffer.alloc(2))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** A JPEG whose every second byte looks like a marker. */
function stuffedJpeg(): Buffer {
  const frame = [0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]
  const scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]
  const coded = Buffer.alloc(PICTURE_BYTES, Buffer.from([0xff, 0]))
  return Buffer.concat([Buffer.from([0xff, 0xd8, ...frame, ...scan]), coded, Buffer.from([0xff, 0xd9])])
}

/** Bodies that cost as much as we could make them cost, for each type that a route takes. */
export function worstBodiesOf(
  { path, operation }: Operation,
  sample: unknown,
): [type: string, what: string, body: string | Buffer][] {
  const bodies: [string, string, string | Buffer][] = []
  for (const [type, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    const add = (of: Readonly<Record<string, string>>) => {
      for (const [what, body] of Object.entries(of)) bodies.push([type, what, body])
    }
    if (type === 'application/json')
      for (const [what, text] of Object.entries({ ...JSON_BODIES, ...crowdedSamples(schema, sample) }))
        if (path === '/v1/decide' || !(what in JSON_BODIES) || WORST_JSON.includes(what))
          bodies.push([type, what, text])
    if (type === 'application/yaml' && path.endsWith('/validate')) add(YAML_BODIES)
    if (type === 'application/sdp')
      for (const [what, line] of Object.entries(SDP_LINES))
        for (const offer of [SIMULCAST_OFFER, PLAYER_OFFER]) bodies.push([type, what, offerWith(offer, line)])
    if (type === 'image/png') bodies.push([type, 'many chunks', crowdedPng()])
    if (type === 'image/jpeg') bodies.push([type, 'nothing but stuffed bytes', stuffedJpeg()])
    if (type === 'application/trickle-ice-sdpfrag')
      for (const [what, line] of Object.entries(SDP_LINES))
        bodies.push([type, what, offerWith('a=x', line).slice(0, 16_000)])
  }
  if (path === '/v1/telemetry') {
    const report = JSON.stringify(Array.isArray(sample) ? sample[0] : sample)
    bodies.push(['application/json', 'a full batch', `[${numbered(1000, () => report).join(',')}]`])
    for (const wrong of ['{}', WRONG_REPORT, 'null', '[]'])
      bodies.push([
        'application/json',
        `a batch of ${wrong.slice(0, 9)}`,
        `[${numbered(1000, () => wrong).join(',')}]`,
      ])
  }
  if (path.startsWith('/v1/policies') && bodies.length > 0 && !path.endsWith('rollback')) {
    bodies.push(['application/json', 'as many names as are taken', LARGEST_POLICY])
    for (const [what, pattern] of Object.entries({
      taken: '"*a"',
      'slow to match': `"*a?${'a'.repeat(40)}b"`,
      wrong: '""',
    })) {
      const rules = numbered(190, () => RULE(numbered(96, () => pattern).join(',')))
      bodies.push([
        'application/json',
        `patterns that are ${what}`,
        `{"acl":[${rules.join(',')}]}`.slice(0, MIB),
      ])
    }
  }
  return bodies
}
