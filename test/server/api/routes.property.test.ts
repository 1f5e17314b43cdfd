import test, { type ExecutionContext } from 'ava'
import { errorAnswerSchema } from '../../../server/api/error-answer.ts'
import { errorsOf } from '../../../server/api/openapi.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { nodeKey } from '../auth/node-key.ts'
import { type ApiUnderTest, hubUnderTest } from './api-under-test.ts'
import { type RawAnswer, RawClient, type RawRequest } from './raw-request.ts'
import { hostileRequest, type Operation, operationsOf, requestOf, validParts } from './route-requests.ts'
import { pick } from './schema-values.ts'

/** How long each test goes on asking, ms. */
const BUDGET_MS = 6000
/** Least requests to each route, whatever the time. */
const LEAST_ROUNDS = 3
const WHO = ['admin', 'admin', 'operator', 'operator', 'publisher', 'viewer', 'node', 'nobody'] as const
/** Statuses of node's parser or the frame, possible everywhere: a path that can't be decoded, a header too long. */
const EVERYWHERE = new Set([400, 404, 413, 415, 431])
/** Answers of the policy that are 503 and no failure of the hub's. */
const POLICY_503: ReadonlySet<string> = new Set(['no_path', 'saturated'])

/** Takes the API from here: another composition goes in its place. */
const underTest = async (): Promise<ApiUnderTest> => hubUnderTest((await nodeKey()).csr)

test('whatever is asked, no route fails, and a refusal changes nothing', async (t) => {
  await using api = await underTest()
  using client = new RawClient(api.url)
  const operations = await operationsOf(client)
  t.true(operations.length >= 50, `${operations.length} routes`)
  const random = new SeededRandom('hostile requests')
  const accepted = new Set<string>()
  let tokens = await api.goodTokens()
  let state = await api.dump()
  let requests = 0
  const end = performance.now() + BUDGET_MS
  for (let round = 0; round < LEAST_ROUNDS || performance.now() < end; round += 1)
    for (const target of operations) {
      // The first round asks for what should be granted, so that each route's good answers are checked too.
      const hostile = round > 0 && random.below(4) > 0
      const { what, request } = hostile
        ? hostileRequest(target, random, api.hints)
        : { what: 'valid', request: requestOf(target, validParts(target, random, api.hints)) }
      const who = round > 0 ? pick(random, WHO) : 'admin'
      const answer = await client.send(who === 'nobody' ? request : authorized(request, tokens[who]))
      requests += 1
      const name = `${request.method} ${request.path.slice(0, 80)} as ${who} (${what}) -> ${answer.status} ${answer.text.slice(0, 200)}`
      checkAnswer(t, api, target, answer, name)
      if (answer.status < 300) {
        if (answer.headers['location'] !== undefined) api.sessions.push(String(answer.headers['location']))
        accepted.add(target.operation.operationId)
        state = await api.dump()
      } else {
        const now = await api.dump()
        if (now !== state) return t.fail(`${name} changed the state`)
      }
      if (answer.status !== 401 || who === 'nobody') continue
      tokens = await api.goodTokens()
      state = await api.dump()
    }
  t.log(`${requests} requests to ${operations.length} routes, ${accepted.size} of which granted some`)
  t.true(accepted.size > operations.length / 2, `granted: ${[...accepted].join(', ')}`)
  t.deepEqual(api.failures, [])
})

test('a proof that is not good opens no route', async (t) => {
  await using api = await underTest()
  using client = new RawClient(api.url)
  const random = new SeededRandom('bad tokens')
  const state = await api.dump()
  for (const target of await operationsOf(client)) {
    if (target.operation.security.length === 0) continue
    const request = requestOf(target, validParts(target, random, api.hints))
    const none = target.operation.security.some((each) => Object.keys(each).length === 0)
      ? {}
      : { none: undefined }
    for (const [what, token] of Object.entries({ ...api.badTokens, ...none })) {
      const answer = await client.send(token === undefined ? request : authorized(request, token))
      const name = `${request.method} ${request.path} with ${what}`
      t.is(answer.status, 401, name)
      t.regex(String(answer.headers['www-authenticate']), /^Bearer /, name)
    }
    for (const authorization of ['', 'Bearer', 'Basic eDp4', 'Bearer a b', 'bearer \u00e9'])
      t.is((await client.send({ ...request, headers: { ...request.headers, authorization } })).status, 401)
  }
  t.is(await api.dump(), state)
})

test("a tenant can't tell another's things from those that do not exist", async (t) => {
  await using api = await underTest()
  using client = new RawClient(api.url)
  const { operator } = await api.goodTokens()
  let state = await api.dump()
  let compared = 0
  // Backwards, so that an id is created before it is asked for; except WHIP, which comes last.
  const operations = (await operationsOf(client)).toReversed()
  for (const target of operations.toSorted((one, other) => Number(isDoor(one)) - Number(isDoor(other))))
    for (const { field, theirs, absent } of api.foreign) {
      const asked = await Promise.all(
        [theirs, absent].map(async (id) => {
          // The same seed: both requests differ in the id alone.
          const parts = validParts(target, new SeededRandom(field), api.hints)
          const named = withField(target, parts, field, id)
          return named && (await client.send(authorized(requestOf(target, named), operator)))
        }),
      )
      const [one, other] = asked
      if (!one || !other) continue
      compared += 1
      const name = `${target.method} ${target.path} with another's ${field}`
      // Accepted because the id belongs to the own tenant: the state has changed.
      if (one.status < 400) state = await api.dump()
      t.deepEqual(told(target, one, theirs), told(target, other, absent), name)
    }
  t.true(compared > 20, `${compared} compared`)
  t.is(await api.dump(), state)
})

test("no list shows a tenant another's things", async (t) => {
  await using api = await underTest()
  using client = new RawClient(api.url)
  const { operator, foreign, admin } = await api.goodTokens()
  const random = new SeededRandom('lists')
  const named = ({ text }: RawAnswer) => api.foreign.filter(({ theirs }) => text.includes(`"${theirs}"`))
  const shown = new Set<string>()
  for (const target of await operationsOf(client)) {
    if (target.method !== 'get') continue
    const { params } = validParts(target, random, api.hints)
    const request = requestOf(target, { params, query: {}, headers: {}, body: undefined })
    t.deepEqual(named(await client.send(authorized(request, operator))), [], request.path)
    for (const who of [foreign, admin])
      for (const { theirs } of named(await client.send(authorized(request, who)))) shown.add(theirs)
  }
  // Or the lists would be empty, and prove nothing.
  t.deepEqual(
    api.foreign.filter(({ theirs }) => !shown.has(theirs)),
    [],
  )
})

test('methods that are not there are refused with those that are', async (t) => {
  await using api = await underTest()
  using client = new RawClient(api.url)
  const { admin } = await api.goodTokens()
  const state = await api.dump()
  const operations = await operationsOf(client)
  const random = new SeededRandom('methods')
  for (const [path, ofPath] of Map.groupBy(operations, (each) => each.path)) {
    const there = ofPath.map(({ method }) => method.toUpperCase())
    const target = requestOf(ofPath[0]!, validParts(ofPath[0]!, random, api.hints))
    for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
      if (there.includes(method)) continue
      const answer = await client.send(authorized({ method, path: target.path }, admin))
      t.is(answer.status, 405, `${method} ${path}`)
      t.deepEqual(
        String(answer.headers.allow)
          .split(', ')
          .filter((each) => !['HEAD', 'OPTIONS'].includes(each)),
        there.filter((each) => each !== 'OPTIONS').toSorted(),
      )
    }
    // These take any page; all others give pages of other origins nothing.
    const open = there.includes('OPTIONS')
    const options = await client.send({
      method: 'OPTIONS',
      path: target.path,
      headers: { origin: 'https://x.example' },
    })
    t.is(options.status, 204)
    t.is(
      Object.keys(options.headers).some((header) => header.startsWith('access-control-')),
      open,
      path,
    )
    if (there.includes('GET')) {
      const head = await client.send(authorized({ method: 'HEAD', path: target.path }, admin))
      t.is(head.text, '')
      t.true(head.status < 500)
    }
  }
  t.is(await api.dump(), state)
})

function authorized(request: RawRequest, token: string): RawRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
}

/** Every answer is one that the route declares, in its declared form. */
function checkAnswer(
  t: ExecutionContext,
  api: ApiUnderTest,
  target: Operation,
  answer: RawAnswer,
  name: string,
) {
  const { status, text, headers } = answer
  const code = status < 400 ? undefined : errorAnswerSchema.safeParse(jsonIn(text)).data?.error.code
  if (status >= 500 && !(status === 503 && POLICY_503.has(code ?? ''))) {
    const failure = api.failures.at(-1)
    const cause = failure?.cause instanceof Error ? failure.cause.stack : JSON.stringify(failure)
    return t.fail(`${name}\n${cause}`)
  }
  const declared = Object.keys(target.operation.responses).map(Number)
  if (!declared.includes(status) && !EVERYWHERE.has(status)) return t.fail(`${name}: not a declared status`)
  if (headers['x-request-id'] === undefined) return
  for (const [header, { required }] of Object.entries(target.operation.responses[status]?.headers ?? {}))
    if (required && headers[header.toLowerCase()] === undefined) return t.fail(`${name}: no ${header}`)
  if (status < 400) return
  if (code === undefined) return t.fail(`${name}: no error as errors are`)
  const route = api.routes.find(({ method, path }) => method === target.method && path === target.path)
  const codes = route && errorsOf(route).get(status)
  if (codes && !codes.includes(code)) t.fail(`${name}: a code that is not declared`)
}

/** Whether it belongs to WHIP or WHEP. */
function isDoor({ path }: Operation): boolean {
  return /^\/whip|^\/whep/.test(path)
}

/** null for no JSON: node's own parser answers without a body. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The request with the id in place, or undefined where the route takes no such field. */
function withField(
  { operation }: Operation,
  parts: ReturnType<typeof validParts>,
  field: string,
  id: string,
): ReturnType<typeof validParts> | undefined {
  const parameter = operation.parameters.find(({ name }) => name === field)
  if (parameter?.in === 'path') return { ...parts, params: { ...parts.params, [field]: id } }
  if (parameter?.in === 'query') return { ...parts, query: { ...parts.query, [field]: id } }
  const body = operation.requestBody?.content['application/json']?.schema.properties
  if (body === undefined || !(field in body) || typeof parts.body !== 'object') return undefined
  return { ...parts, body: { ...parts.body, [field]: id } }
}

/** What an answer tells, the id asked for and times put out of sight: status, headers and body. */
function told({ method, path }: Operation, { status, headers, text }: RawAnswer, id: string) {
  const { date, 'x-request-id': requestId, 'content-length': length, location, ...others } = headers
  // New objects have ids and secrets of their own.
  const made = status < 400 && method !== 'get' && path !== '/v1/decide'
  return { status, others, text: made ? '' : text.replaceAll(id, '<id>').replace(/\b\d{13}\b/g, '<time>') }
}
