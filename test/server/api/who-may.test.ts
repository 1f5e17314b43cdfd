import { connect } from 'node:net'
import test from 'ava'
import type { Action } from '../../../common/wire/ids.ts'
import { actionSchema } from '../../../common/wire/ids.ts'
import { askAcl } from '../../../policy/acl.ts'
import type { OpenApiOperation } from '../../../server/api/openapi.ts'
import {
  ALL_GRANTS,
  type AuthenticatedPrincipal,
  anonymousIn,
  type Grants,
} from '../../../server/auth/principal.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'
import { nodeKey } from '../auth/node-key.ts'
import { type ApiUnderTest, hubUnderTest } from './api-under-test.ts'
import { type RawAnswer, RawClient, type RawRequest } from './raw-request.ts'
import { type Operation, operationsOf, type RequestParts, requestOf, validParts } from './route-requests.ts'

/** The stream that all requests are about. */
const STREAM = 'cam-1'
/** Commands of nodes name it inside of their body. */
const COMMANDS = '/v1/nodes/{node_id}/commands'
const COMMAND = { command: { do: 'stop', stream_id: STREAM } }
/** Fields that name it: a program is a stream. */
const NAMES = ['stream_id', 'program_id']
const ROLES = ['admin', 'operator', 'director', 'publisher', 'node', 'viewer'] as const
const LIMITS: Readonly<Record<string, Grants>> = {
  'any stream': { streams: ['*'], actions: ['*'] },
  'this stream': { streams: ['cam-*'], actions: ['*'] },
  'another stream': { streams: ['other-*'], actions: ['*'] },
  'no stream': { streams: [], actions: ['*'] },
  'one action': { streams: ['*'], actions: ['stream.read'] },
}

/** A caller. */
interface Caller {
  readonly name: string
  readonly principal: AuthenticatedPrincipal
  readonly grants: Grants
  /** null for callers without a token. Replaced when a request revoked it. */
  token: string | null
}

/** The expected outcome of a request: `pass` is anything but a refusal of the caller. */
type Expected = 'pass' | 401 | 403

test('who may do what: every route, every role, before the body and after it', async (t) => {
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  const callers = await everybody(api)
  const random = new SeededRandom('who may')
  const counts = { pass: 0, 401: 0, 403: 0 }
  const operations = await operationsOf(client)
  for (const target of operations) {
    const told = new Set<Expected>()
    for (const caller of callers) {
      const request = requestOf(target, await partsFor(api, target, random))
      const name = `${request.method} ${target.path} by ${caller.name}`
      const [unsaid, said] = [expected(api, target, caller, false), expected(api, target, caller, true)]
      counts[said] += 1
      // A refusal that no body could change comes though the body never does.
      if (target.operation.requestBody !== undefined && unsaid !== 'pass')
        t.is((await headAlone(api.url, authorized(request, caller))).status, unsaid, `${name}, head alone`)
      const { status, text } = await ask(api, client, request, caller)
      if (said === 'pass') t.false(isRefusal(status, text), `${name} -> ${status} ${text}`)
      else t.is(status, said, `${name} -> ${text}`)
      // The fault of a body is told only to callers who may ask.
      if (target.operation.requestBody === undefined || told.has(unsaid)) continue
      told.add(unsaid)
      for (const body of ['', '[[[', '\0'.repeat(100)]) {
        const answer = await ask(api, client, { ...request, body }, caller)
        const fault = `${name} with ${JSON.stringify(body.slice(0, 3))} -> ${answer.status} ${answer.text}`
        if (unsaid === 'pass') t.true([400, 404, 409].includes(answer.status), fault)
        else t.is(answer.status, unsaid, fault)
      }
    }
  }
  t.log(`${operations.length} routes, ${callers.length} callers`, counts)
  t.true(counts.pass > 500 && counts[401] > 40 && counts[403] > 500)
})

test('a caller that is limited to streams finds only those in lists', async (t) => {
  await using api = await hubUnderTest((await nodeKey()).csr)
  using client = new RawClient(api.url)
  await api.contractsOf(STREAM)
  await api.contractsOf('cam-2')
  const listed = async (streams: string[], path: string): Promise<unknown> => {
    const { token } = await api.tokenOf('operator', { streams, actions: ['*'] })
    const answer = await client.send({ method: 'GET', path, headers: { authorization: `Bearer ${token}` } })
    return answer.status === 200
      ? [...new Set(answer.text.match(/"stream_id":"[^"]*"/g))].sort()
      : answer.status
  }
  const [one, two] = ['"stream_id":"cam-1"', '"stream_id":"cam-2"']
  for (const path of ['/v1/streams', '/v1/flows', '/v1/viewers']) {
    t.deepEqual(await listed(['*'], path), [one, two], path)
    t.deepEqual(await listed(['*-2'], path), [two], path)
    t.deepEqual(await listed(['cam-1', 'cam-3'], path), [one], path)
    t.deepEqual(await listed(['others-*'], path), [], path)
  }
  for (const path of ['/v1/audit', '/v1/webhooks', '/v1/tokens', '/v1/nodes', '/v1/links', '/v1/alarms'])
    t.is(await listed(['cam-1'], path), 403, path)
})

async function everybody(api: ApiUnderTest): Promise<Caller[]> {
  const callers: Caller[] = [
    { name: 'anonymous', token: null, principal: anonymousIn('default'), grants: ALL_GRANTS },
  ]
  for (const role of ROLES)
    for (const [limit, grants] of Object.entries(LIMITS)) {
      const { token, principal } = await api.tokenOf(role, grants)
      callers.push({ name: `${role} for ${limit}`, token, principal, grants })
    }
  return callers
}

/** By the document and the tenant's policy alone. `said`: the body is there, and names STREAM where it names one. */
function expected(
  { policyOf, tenantId }: ApiUnderTest,
  { path, operation }: Operation,
  { principal }: Caller,
  said: boolean,
): Expected {
  const refused = principal.role === 'anonymous' ? 401 : 403
  const role = operation['x-lanecast-role']
  if (role === 'node' || (role === 'admin' && principal.role !== 'admin')) return refused
  if (operation['x-lanecast-action'] === undefined) return 'pass'
  const action: Action = actionSchema.parse(operation['x-lanecast-action'])
  // Without a proof only operations that are open to everybody are asked for.
  if (principal.role === 'anonymous' && !operation.security.some((each) => Object.keys(each).length === 0))
    return 401
  const streamId = operation['x-lanecast-lists'] ? undefined : streamOf(path, operation, said)
  const policy = policyOf(principal.role === 'anonymous' ? 'default' : tenantId)
  return askAcl(policy.acl, { principal, action, streamId }).allowed ? 'pass' : refused
}

/** What a request is about; undefined while only its body says so. */
function streamOf(path: string, { requestBody }: OpenApiOperation, said: boolean): string | null | undefined {
  if (/\{(stream_id|contract_id|program_id)\}/.test(path)) return STREAM
  const schema = requestBody?.content['application/json']?.schema
  if (path === COMMANDS && schema !== undefined) return said ? STREAM : undefined
  const variants = [schema, ...(schema?.anyOf ?? []), ...(schema?.oneOf ?? [])]
  const names = variants.some(
    (each) => typeof each === 'object' && NAMES.some((name) => Object.hasOwn(each.properties ?? {}, name)),
  )
  if (!names) return null
  return said ? STREAM : undefined
}

/** A request about what there is in the own tenant, and about STREAM where it is about one. */
async function partsFor(api: ApiUnderTest, target: Operation, random: SeededRandom): Promise<RequestParts> {
  const { path, operation } = target
  const parts = validParts(target, random, api.hints)
  const { params, body, query } = parts
  const contracts = 'contract_id' in params ? await api.contractsOf(STREAM) : undefined
  const contract_id = path.startsWith('/v1/viewers') ? contracts?.viewer : contracts?.sender
  const { tenant_id: _tenant, ...otherQuery } = query
  const namesStream = streamOf(path, operation, true) !== null && contract_id === undefined
  const name = path === '/v1/programs' ? 'program_id' : 'stream_id'
  const about = (given: unknown): unknown =>
    namesStream && isObject(given) ? { ...given, [name]: STREAM } : given
  const namedByPath = NAMES.some((each) => each in params)
  return {
    ...parts,
    query: otherQuery,
    params: {
      ...params,
      ...Object.fromEntries(NAMES.flatMap((each) => (each in params ? [[each, STREAM]] : []))),
      ...(contract_id === undefined ? {} : { contract_id }),
      ...('tenant_id' in params ? { tenant_id: api.tenantId } : {}),
    },
    body:
      path === COMMANDS && body !== undefined
        ? COMMAND
        : Array.isArray(body)
          ? body.map(about)
          : namedByPath
            ? body
            : about(withoutTenant(body)),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withoutTenant(body: unknown): unknown {
  if (!isObject(body)) return body
  const { tenant_id: _named, ...rest } = body
  return rest
}

function authorized(request: RawRequest, { token }: Caller): RawRequest {
  return token === null
    ? request
    : { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
}

async function ask(
  api: ApiUnderTest,
  client: RawClient,
  request: RawRequest,
  caller: Caller,
): Promise<RawAnswer> {
  const answer = await client.send(authorized(request, caller))
  const { role } = caller.principal
  if (role === 'anonymous' || !answer.text.includes('"token_revoked"')) return answer
  caller.token = (await api.tokenOf(role, caller.grants)).token
  return await client.send(authorized(request, caller))
}

function isRefusal(status: number, text: string): boolean {
  return [401, 403].includes(status) && /"code":"((acl_)?denied|unauthenticated)"/.test(text)
}

/** Sends the head, which announces a body that never comes. */
function headAlone(url: string, { method, path, headers = {} }: RawRequest): Promise<{ status: number }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      const lines = Object.entries({ ...headers, host: 'hub', 'content-length': '100' })
      socket.write(
        `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      )
    })
    socket.setTimeout(5000, () => socket.destroy(new Error(`no answer to the head of ${method} ${path}`)))
    socket.on('error', reject)
    socket.once('data', (data) => {
      resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(data.toString())?.[1]) })
      socket.destroy()
    })
  })
}
