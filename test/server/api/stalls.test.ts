import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { slowness } from '../../support/machine-speed.ts'
import { longestTurnMs } from '../../support/turn-probe.ts'
import { nodeKey } from '../auth/node-key.ts'
import { hubUnderTest } from './api-under-test.ts'
import { RawClient, type RawRequest } from './raw-request.ts'
import { operationsOf, requestOf, validParts } from './route-requests.ts'
import { LARGEST_POLICY, numbered, worstBodiesOf } from './worst-bodies.ts'

/** Nothing that a request carries holds the event loop for longer, ms on a machine of the speed that this was set for. */
const LIMIT_MS = 20
/**
 * Number of tries before a turn counts as too long: code that runs for the first time, garbage collection and other
 * work of this machine take longer than the fault in question. One short turn shows that a short turn is possible.
 */
const TRIES = 20

/** What makes the hub look long at a head. */
const HEADERS: readonly (readonly [name: string, value: string])[] = [
  ['content-type', `application/json;${' '.repeat(14_000)}x`],
  ['content-type', `application/json;${' ;'.repeat(7000)}`],
  ['if-match', '"1",'.repeat(3500)],
  ['if-match', `"${'x'.repeat(14_000)}`],
  ['authorization', `Bearer${' '.repeat(14_000)}x`],
  ['authorization', `Bearer ${'a'.repeat(8000)}=${'='.repeat(5000)}!`],
  ['authorization', `Bearer ${'a.'.repeat(4000)}`],
  ['x-forwarded-for', '1.2.3.4,'.repeat(1800)],
  ['x-request-id', 'a'.repeat(14_000)],
  ['content-encoding', 'gzip,'.repeat(2500)],
]

const QUERIES: readonly string[] = [
  numbered(2000, (index) => `k${index}=1`).join('&'),
  '&'.repeat(14_000),
  '%41'.repeat(4600),
  `limit=${'9'.repeat(14_000)}`,
  `after=${'a'.repeat(14_000)}`,
  `tenant_id=${'a'.repeat(14_000)}`,
]

const PATHS: readonly string[] = [
  `/v1/nodes/${'a'.repeat(14_000)}`,
  '/v1'.repeat(4600),
  '/a'.repeat(7000),
  `/${'%41'.repeat(4600)}`,
]

/** Requests that hold the event loop for too long. */
class Slow {
  readonly found: string[] = []
  /** The longest turns, for the log. */
  readonly longest: { readonly ms: number; readonly what: string }[] = []
  tried = 0
  readonly #client: RawClient

  constructor(client: RawClient) {
    this.#client = client
  }

  async check(what: string, request: RawRequest): Promise<void> {
    this.tried += 1
    let best = Number.POSITIVE_INFINITY
    let status = 0
    for (let each = 0; each < TRIES && best > LIMIT_MS; each += 1) {
      const turn = await longestTurnMs(async () => {
        status = (await this.#client.send(request)).status
      })
      best = Math.min(best, turn > LIMIT_MS ? turn / slowness() : turn)
      if (best > LIMIT_MS) await delay(10 * each)
    }
    this.longest.push({ ms: Math.round(best), what })
    this.longest.sort((a, b) => b.ms - a.ms).splice(3)
    if (best > LIMIT_MS) this.found.push(`${what}: ${Math.round(best)} ms, ${status}`)
  }
}

test('no body holds the event loop, on any route', async (t) => {
  t.timeout(300_000)
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  const random = new SeededRandom('stalls')
  const { admin, operator, node } = await api.goodTokens()
  const slow = new Slow(client)
  for (const target of await operationsOf(client)) {
    const role = target.operation['x-lanecast-role']
    const token = role === 'admin' ? admin : target.path === '/v1/telemetry' ? node : operator
    const parts = validParts(target, random, api.hints)
    const params = 'tenant_id' in parts.params ? { ...parts.params, tenant_id: api.tenantId } : parts.params
    const good = requestOf(target, { ...parts, params, query: {} })
    for (const [type, what, body] of worstBodiesOf(target, parts.body)) {
      const headers = { ...good.headers, authorization: `Bearer ${token}`, 'content-type': type }
      const name = `${target.method} ${target.path}, ${type}: ${what}`
      await slow.check(name, { ...good, headers, body: Buffer.from(body) })
    }
  }
  t.log(`${slow.tried} requests`, slow.longest)
  t.deepEqual(slow.found, [])
})

test('no head holds the event loop', async (t) => {
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  const authorization = `Bearer ${(await api.goodTokens()).operator}`
  const slow = new Slow(client)
  for (const path of ['/v1/policies/acme', '/v1/nodes', '/whip/x']) {
    for (const [name, value] of HEADERS) {
      const headers = { authorization, 'if-match': '"1"', 'content-type': 'application/json', [name]: value }
      const what = `${path}, header ${name}: ${value.slice(0, 20)}`
      await slow.check(what, { method: 'PUT', path, headers, body: '{}' })
    }
    for (const query of QUERIES)
      await slow.check(`${path}, query ${query.slice(0, 20)}`, {
        method: 'GET',
        path: `${path}?${query}`,
        headers: { authorization },
      })
  }
  for (const path of PATHS) await slow.check(`path ${path.slice(0, 20)}`, { method: 'GET', path })
  t.deepEqual(slow.found, [])
})

test('a long policy holds the event loop neither when it is put in force nor afterwards', async (t) => {
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  const headers = {
    authorization: `Bearer ${(await api.goodTokens()).operator}`,
    'content-type': 'application/json',
    'if-match': '*',
  }
  const path = '/v1/policies/acme'
  const allowed = JSON.stringify({ effect: 'allow', subjects: ['*'], actions: ['*'] })
  const body = LARGEST_POLICY.replace('[', `[${allowed},`)
  t.true(body.length > 500_000)
  const slow = new Slow(client)
  for (let each = 0; each < 20; each += 1)
    t.is((await client.send({ method: 'PUT', path, headers, body })).status, 200)
  await slow.check('PUT', { method: 'PUT', path, headers, body })
  await slow.check('GET', { method: 'GET', path, headers })
  await slow.check('versions', { method: 'GET', path: `${path}/versions?limit=1000`, headers })
  t.log(slow.longest)
  t.deepEqual(slow.found, [])
})

test('no policy that is taken makes questions to it slow', async (t) => {
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  const headers = {
    authorization: `Bearer ${(await api.goodTokens()).operator}`,
    'content-type': 'application/json',
  }
  const name = (end: string) => `${'a'.repeat(60)}${end}`
  for (let each = 0; each < 20; each += 1) await api.contractsOf(name(`${each}`))
  const policy = async (patterns: readonly string[]) => {
    const rule = (effect: string, of: readonly string[]) => ({
      effect,
      subjects: ['*'],
      actions: ['*'],
      streams: of,
    })
    const body = JSON.stringify({ acl: [rule('deny', patterns), rule('allow', ['*'])] })
    const put = { method: 'PUT', path: '/v1/policies/acme', headers: { ...headers, 'if-match': '*' }, body }
    return (await client.send(put)).status
  }
  const dear = numbered(99, (index) => `*a?${'a'.repeat(20)}${index}*`)
  t.is(await policy(dear), 400)
  t.is(await policy(dear.slice(0, 6)), 200)
  const slow = new Slow(client)
  for (const path of ['/v1/streams', '/v1/flows', '/v1/viewers'])
    await slow.check(path, { method: 'GET', path, headers })
  const report = {
    node_id: 'edge-of-acme',
    rtt_ms: 1,
    jitter_ms: 1,
    loss: 0,
    bitrate_kbps: 1,
    queue_depth: 0,
  }
  const reports = numbered(1000, (index) =>
    JSON.stringify({ ...report, at: Date.now(), stream_id: name(`${index % 64}`) }),
  )
  await slow.check('telemetry', {
    method: 'POST',
    path: '/v1/telemetry',
    headers,
    body: `[${reports.join(',')}]`,
  })
  t.deepEqual(slow.found, [])
})
