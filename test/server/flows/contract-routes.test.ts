import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { decisionSchema } from '../../../common/wire/decision.ts'
import { flowContractSchema } from '../../../common/wire/flow-contract.ts'
import { flowEventSchema, flowSummarySchema, subscribeAnswerSchema } from '../../../common/wire/flows-api.ts'
import { hubErrorSchema } from '../../../common/wire/hub-error.ts'
import type { policyDocumentSchema } from '../../../common/wire/policy-document.ts'
import { type ApiAnswer, startHub, type TestHub } from '../../support/hub.ts'
import { freeUdpRange } from '../../support/udp-ports.ts'
import { joinWith } from './join-with.ts'

/** The routes of contracts on a real hub that keeps its state in memory; no media is sent. */

/** Few ports, so that one that is not given back is soon missed. */
const PORTS = 64

/** Far below the time that a question for news is held open, and enough for a machine with much to do, ms. */
const AT_ONCE_MS = 2000
/** Within this a question has surely reached the hub, ms. */
const QUESTION_ARRIVES_MS = 500

let hub: TestHub
test.before(async () => {
  const first = await freeUdpRange(PORTS)
  hub = await startHub([], { workers: 1, args: ['--rist-ports', `${first}-${first + PORTS - 1}`] })
})
test.after.always(() => hub?.[Symbol.asyncDispose]())

/** A tenant of this test's own. */
async function tenant(id: string, policy: z.input<typeof policyDocumentSchema> = {}) {
  await hub.api('PUT', `/v1/tenants/${id}`, { display_name: id })
  if (Object.keys(policy).length > 0) await hub.putPolicy(policy, id)
  const tokenOf = (role: string, subject = `${role}-of-${id}`, grants?: object) =>
    hub.issueToken({ role, subject, tenant_id: id, ...(grants && { grants }) })
  return {
    tokenOf,
    publisher: await tokenOf('publisher'),
    viewer: await tokenOf('viewer'),
    operator: await tokenOf('operator'),
  }
}

const publish = (token: string, stream_id: string, more: object = {}) =>
  hub.api('POST', '/v1/publish', { stream_id, class: 'focus', ...more }, token)
const subscribe = (token: string | null, stream_id: string, more: object = {}) =>
  hub.api('POST', '/v1/subscribe', { stream_id, ...more }, token)
const contractIn = ({ body }: ApiAnswer) => flowContractSchema.parse(body)
const errorIn = ({ body }: ApiAnswer) => hubErrorSchema.parse(body).error
const flowsFor = async (token: string) =>
  z
    .object({ flows: z.array(flowSummarySchema) })
    .parse((await hub.api('GET', '/v1/flows', undefined, token)).body).flows

/** The answer's error has this status and code. */
function refused(t: ExecutionContext, answer: ApiAnswer, status: number, code: string) {
  t.is(answer.status, status, JSON.stringify(answer.body))
  const error = errorIn(answer)
  t.is(error.code, code)
  return error
}

test('a publisher is granted a contract; asking again renews it, another is told that it is taken', async (t) => {
  const { publisher, operator, tokenOf } = await tenant('publishing')
  const first = contractIn(await publish(publisher, 'cam-1'))
  t.like(first, {
    version: 1,
    tenant_id: 'publishing',
    stream_id: 'cam-1',
    class: 'focus',
    transport: 'rist',
  })
  t.is(first.endpoints.length, 2)
  t.true(first.reasons.length > 3)
  const again = contractIn(await publish(publisher, 'cam-1', { class: 'director' }))
  t.like(again, { contract_id: first.contract_id, version: 2, class: 'director' })
  t.deepEqual([again.keys, again.endpoints], [first.keys, first.endpoints])
  const renewed = contractIn(
    await hub.api('POST', `/v1/flows/${first.contract_id}/renew`, undefined, publisher),
  )
  t.like(renewed, { contract_id: first.contract_id, version: 3, class: 'director' })

  const rival = await tokenOf('publisher', 'rival')
  refused(t, await publish(rival, 'cam-1'), 409, 'stream_taken')
  const path = `/v1/flows/${first.contract_id}`
  refused(t, await hub.api('GET', `${path}/next`, undefined, rival), 403, 'not_owner')
  refused(t, await hub.api('POST', `${path}/renew`, undefined, rival), 403, 'not_owner')

  const answers = await Promise.all([publish(publisher, 'cam-2'), publish(rival, 'cam-2')])
  t.deepEqual(answers.map(({ status }) => status).sort(), [200, 409])

  t.false(JSON.stringify(await flowsFor(operator)).includes(first.keys!.passphrase))
  t.is((await hub.api('DELETE', path, undefined, operator)).status, 204)
  refused(t, await hub.api('GET', `${path}/next`, undefined, publisher), 404, 'contract_not_found')
  refused(t, await hub.api('GET', '/v1/streams/cam-1', undefined, publisher), 404, 'stream_not_found')
  t.is((await publish(rival, 'cam-1')).status, 200)
})

test.serial('ports come back with the end of their contract', async (t) => {
  const { publisher, operator } = await tenant('ports')
  for (let taken = 0; taken <= PORTS; taken += 8) {
    const contracts = await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (stream) => contractIn(await publish(publisher, stream))),
    )
    for (const { contract_id } of contracts)
      t.is((await hub.api('DELETE', `/v1/flows/${contract_id}`, undefined, operator)).status, 204)
  }
})

test('a tenant can not tell the streams and contracts of another from what does not exist', async (t) => {
  const a = await tenant('tenant-a')
  const b = await tenant('tenant-b')
  const theirs = contractIn(await publish(a.publisher, 'secret-1'))
  const watching = subscribeAnswerSchema.parse((await subscribe(a.viewer, 'secret-1')).body)
  const unknown = { contract: 'c-000000000000000000000000', stream: 'missing1', tenant: 'tenant-x' }

  /** Each is asked about tenant-a's things and about things that nobody has. */
  const questions: ((about: typeof unknown) => readonly [string, string, object?])[] = [
    ({ contract }) => ['GET', `/v1/flows/${contract}`],
    ({ contract }) => ['GET', `/v1/flows/${contract}/next`],
    ({ contract }) => ['GET', `/v1/flows/${contract}/next?after_version=9`],
    ({ contract }) => ['POST', `/v1/flows/${contract}/renew`],
    ({ contract }) => ['DELETE', `/v1/flows/${contract}`],
    ({ contract }) => ['DELETE', `/v1/viewers/${contract}`],
    ({ stream }) => ['GET', `/v1/streams/${stream}`],
    ({ stream }) => ['POST', '/v1/subscribe', { stream_id: stream }],
    ({ stream, tenant }) => ['POST', '/v1/subscribe', { stream_id: stream, tenant_id: tenant }],
    ({ stream }) => ['POST', '/v1/reroute', { stream_id: stream, reason: 'x' }],
    ...(['subscribe', 'reroute'] as const).map(
      (action) =>
        ({ stream }: typeof unknown) =>
          ['POST', '/v1/decide', { action, stream_id: stream, class: 'focus' }] as const,
    ),
    ({ stream, tenant }) => [
      'POST',
      '/v1/decide',
      { action: 'subscribe', tenant_id: tenant, stream_id: stream, class: 'focus' },
    ],
  ]
  const narrow = await b.tokenOf('operator', 'narrow', { streams: ['secret-*'], actions: ['*'] })
  for (const token of [b.operator, b.publisher, b.viewer, narrow, null])
    for (const question of questions)
      for (const contract of [theirs.contract_id, watching.contract_id]) {
        const there = { contract, stream: 'secret-1', tenant: 'tenant-a' }
        const told = async (about: typeof unknown, stream: string) => {
          const [method, path, body] = question({ ...about, stream })
          const { status, body: answer } = await hub.api(method, path, body, token)
          let text = JSON.stringify(answer)
          for (const name of [about.contract, about.tenant, stream]) text = text.replaceAll(name, 'X')
          return { status, text }
        }
        // A token that reaches secret-* only is told of its own reach: both names are within it.
        const missing = token === narrow ? 'secret-0' : unknown.stream
        const [method, path] = question(there)
        const other = await told(there, 'secret-1')
        t.deepEqual(other, await told(unknown, missing), `${method} ${path}`)
        t.true(other.status >= 400 || path === '/v1/decide', `${method} ${path} ${other.status}`)
      }
  for (const path of ['/v1/flows', '/v1/streams', '/v1/viewers'])
    t.false(
      JSON.stringify((await hub.api('GET', path, undefined, b.operator)).body).includes('secret-1'),
      path,
    )
  // Nothing touched the tenant's things, and the name is free in another tenant.
  t.is((await flowsFor(a.operator))[0]?.version, 1)
  t.is((await publish(b.publisher, 'secret-1')).status, 200)
})

test('a ticket is worth one connection, and a forged one none', async (t) => {
  const { publisher, viewer, operator } = await tenant('tickets')
  await publish(publisher, 'cam-1')
  const { contract_id, join } = subscribeAnswerSchema.parse((await subscribe(viewer, 'cam-1')).body)
  const { ticket } = join.webrtc
  const otherEnd = `${ticket.slice(0, -1)}${ticket.endsWith('_') ? '-' : '_'}`
  for (const forged of [otherEnd, 'x'.repeat(32), contract_id]) {
    using connection = await joinWith(hub.url, forged)
    t.like(connection.answer, { ok: false, code: 401 })
    t.regex(connection.answer.reason, /^unknown_ticket: /)
  }
  using first = await joinWith(hub.url, ticket)
  t.true(first.answer.ok, first.answer.reason)
  using second = await joinWith(hub.url, ticket)
  t.like(second.answer, { ok: false, code: 409 })
  t.regex(second.answer.reason, /^ticket_in_use: /)

  const path = `/v1/viewers/${contract_id}`
  t.is((await hub.api('DELETE', path, undefined, operator)).status, 204)
  t.like(await first.ended, { reason: 'revoked' })
  using late = await joinWith(hub.url, ticket)
  t.like(late.answer, { ok: false, code: 401 })
  refused(t, await hub.api('DELETE', path, undefined, operator), 404, 'contract_not_found')
})

test('a rule that denies is named, on the stream and on its contracts', async (t) => {
  const all = { effect: 'allow' as const, subjects: ['*'], actions: ['*' as const] }
  const { publisher, operator, tokenOf } = await tenant('denied', {
    acl: [
      { name: 'everybody', ...all },
      {
        name: 'cam-9 is for the director',
        effect: 'deny',
        subjects: ['role:publisher', 'role:operator'],
        actions: ['subscribe', 'reroute', 'flow.read', 'flow.revoke', 'viewer.read'],
        streams: ['cam-9'],
      },
      { name: 'eve sends nothing', effect: 'deny', subjects: ['user:eve'], actions: ['publish'] },
    ],
  })
  const eve = await tokenOf('publisher', 'eve')
  const error = refused(t, await publish(eve, 'cam-1'), 403, 'denied')
  t.is(error.rule, 'eve sends nothing')
  t.true(error.details.includes('rule: eve sends nothing'))

  const contracts = new Map<string, string>()
  for (const stream of ['cam-1', 'cam-9'])
    contracts.set(stream, contractIn(await publish(publisher, stream)).contract_id)
  const director = await tokenOf('director')
  const { contract_id } = subscribeAnswerSchema.parse((await subscribe(director, 'cam-9')).body)
  const rule = 'cam-9 is for the director'
  const on9 = `/v1/flows/${contracts.get('cam-9')}`
  for (const [method, path, body] of [
    ['POST', '/v1/subscribe', { stream_id: 'cam-9' }],
    ['POST', '/v1/reroute', { stream_id: 'cam-9', reason: 'x' }],
    ['GET', on9],
    ['DELETE', on9],
    ['DELETE', `/v1/viewers/${contract_id}`],
  ] as const)
    t.is(
      refused(t, await hub.api(method, path, body, operator), 403, 'denied').rule,
      rule,
      `${method} ${path}`,
    )
  // Lists leave out what may not be read.
  t.deepEqual(
    (await flowsFor(operator)).map(({ stream_id }) => stream_id),
    ['cam-1'],
  )
  t.deepEqual((await hub.api('GET', '/v1/viewers', undefined, operator)).body, { viewers: [] })
  t.is((await hub.api('DELETE', `/v1/flows/${contracts.get('cam-1')}`, undefined, operator)).status, 204)
  t.is((await hub.api('DELETE', on9, undefined, director)).status, 204)
})

test('a publisher of some streams only can hold, renew and follow their contracts', async (t) => {
  const { tokenOf } = await tenant('narrow', {
    acl: [{ effect: 'allow', subjects: ['user:ann'], actions: ['publish', 'flow.read'], streams: ['cam-*'] }],
  })
  const ann = await tokenOf('publisher', 'ann')
  t.is(refused(t, await publish(ann, 'mic-1'), 403, 'denied').rule, 'no rule')
  const { contract_id } = contractIn(await publish(ann, 'cam-1'))
  const path = `/v1/flows/${contract_id}`
  t.is((await hub.api('POST', `${path}/renew`, undefined, ann)).status, 200)
  t.is((await hub.api('GET', `${path}/next?after_version=1`, undefined, ann)).status, 200)
  t.is((await hub.api('GET', path, undefined, ann)).status, 200)
})

test('a class that does not fit is lowered or refused, with the sum in the reasons', async (t) => {
  const { publisher, operator } = await tenant('budget', { classes: { focus: { glass_to_glass_ms: 100 } } })
  const lowered = contractIn(await publish(publisher, 'cam-1'))
  t.is(lowered.class, 'director')
  const why = lowered.reasons.find((reason) => reason.startsWith('class focus refused'))
  t.regex(
    why ?? '',
    /latency does not fit: encode \d+ \(\w+\) \+ buffer \d+ .* \+ playout \d+ \(\w+\) = \d+(\.\d)? ms of 100 ms/,
  )
  const { estimate_ms, stages, budget_ms } = lowered.latency
  t.is(
    stages.reduce((sum, { ms }) => sum + ms, 0),
    estimate_ms,
  )
  t.true(estimate_ms <= budget_ms!)
  const asked = flowSummarySchema.parse(
    (await hub.api('GET', `/v1/flows/${lowered.contract_id}`, undefined, operator)).body,
  )
  t.is(asked.class, 'director')

  const strict = await tenant('budget-strict', {
    classes: { focus: { glass_to_glass_ms: 100 } },
    admission: { downgrade: false },
  })
  const error = refused(t, await publish(strict.publisher, 'cam-1'), 409, 'latency_budget')
  t.regex(error.message, /= \d+(\.\d)? ms of 100 ms/)
  t.true(error.details.some((line) => line.includes('ms of 100 ms')))
  t.deepEqual(await flowsFor(strict.operator), [])
  // On record, with the reasons.
  const audit = JSON.stringify(
    (await hub.api('GET', '/v1/audit?action=publish', undefined, strict.operator)).body,
  )
  t.true(audit.includes('latency_budget') && audit.includes('ms of 100 ms'))
})

test('one token does not get all streams of its tenant, and another still gets some', async (t) => {
  const { publisher, operator } = await tenant('shared', { admission: { max_streams_per_token: 2 } })
  for (const stream of ['cam-1', 'cam-2']) t.is((await publish(publisher, stream)).status, 200)
  t.is(refused(t, await publish(publisher, 'cam-3'), 503, 'saturated').resource, 'token_streams')
  // What it has is renewed.
  t.is((await publish(publisher, 'cam-1')).status, 200)
  t.is((await publish(operator, 'cam-3')).status, 200)
})

test('what is full says so, and has room again when somebody leaves', async (t) => {
  const { publisher, viewer, operator } = await tenant('full', {
    admission: { max_streams: 1, max_viewers_per_stream: 2 },
  })
  await publish(publisher, 'cam-1')
  const streams = await publish(publisher, 'cam-2')
  t.is(refused(t, streams, 503, 'saturated').resource, 'tenant_streams')
  t.truthy(streams.headers.get('retry-after'))
  // The hub said no as its policy told it to: that is no failure of the hub.
  t.true((await hub.metric('rejected_total{reason="saturated"}')) >= 1)
  t.is(await hub.metric('errors_total{stage="http",kind="saturated"}'), 0)
  const watching = subscribeAnswerSchema.parse((await subscribe(viewer, 'cam-1')).body)
  using first = await joinWith(hub.url, watching.join.webrtc.ticket)
  const unused = subscribeAnswerSchema.parse((await subscribe(viewer, 'cam-1')).body)
  const next = subscribeAnswerSchema.parse((await subscribe(viewer, 'cam-1')).body)
  using late = await joinWith(hub.url, unused.join.webrtc.ticket)
  t.like(late.answer, { ok: false, code: 401 }, 'what nobody used gave way')
  using second = await joinWith(hub.url, next.join.webrtc.ticket)
  t.deepEqual([first.answer.ok, second.answer.ok], [true, true])
  t.is(refused(t, await subscribe(viewer, 'cam-1'), 503, 'saturated').resource, 'stream_viewers')
  await hub.api('DELETE', `/v1/viewers/${watching.contract_id}`, undefined, operator)
  t.is((await subscribe(viewer, 'cam-1')).status, 200)
})

test('a contract ends when the token that asked for it is revoked', async (t) => {
  const { publisher, viewer, tokenOf } = await tenant('revoking')
  const revoke = (token: string) => {
    const [, claims = ''] = token.split('.')
    const { jti } = z.object({ jti: z.string() }).parse(JSON.parse(atob(claims)))
    return hub.api('DELETE', `/v1/tokens/${jti}?tenant_id=revoking`)
  }
  const { contract_id } = contractIn(await publish(publisher, 'cam-1'))
  const watch = async (token: string) => {
    const { join } = subscribeAnswerSchema.parse((await subscribe(token, 'cam-1')).body)
    return joinWith(hub.url, join.webrtc!.ticket)
  }
  using watching = await watch(viewer)
  using other = await watch(await tokenOf('viewer', 'other'))
  t.is((await revoke(viewer)).status, 200)
  t.is((await watching.ended).reason, 'revoked')

  // The publisher has a newer token and renewed with it: only what the old one holds open ends.
  const newer = await tokenOf('publisher')
  t.is((await publish(newer, 'cam-1')).status, 200)
  const next = (token: string) =>
    hub.api('GET', `/v1/flows/${contract_id}/next?after_version=2`, undefined, token)
  const [heldByOld, heldByNewer] = [next(publisher), next(newer)]
  t.is((await revoke(publisher)).status, 200)
  refused(t, await heldByOld, 401, 'token_revoked')
  t.is((await publish(newer, 'cam-1')).status, 200)
  t.like((await heldByNewer).body, { event: { type: 'contract' } })

  const held = hub.api('GET', `/v1/flows/${contract_id}/next?after_version=3`, undefined, newer)
  t.is((await revoke(newer)).status, 200)
  t.true([200, 401].includes((await held).status), 'told that its token or its contract is over')
  t.is((await other.ended).reason, 'revoked')
  refused(t, await hub.api('GET', `/v1/flows/${contract_id}`), 404, 'contract_not_found')
})

test('a dry run answers as the real thing would, and changes nothing', async (t) => {
  const { publisher, operator } = await tenant('dry')
  await publish(publisher, 'cam-1')
  const state = async () => {
    const paths = ['/v1/flows', '/v1/streams', '/v1/viewers', '/v1/audit?limit=1000']
    return Promise.all(paths.map(async (path) => (await hub.api('GET', path, undefined, operator)).body))
  }
  const before = await state()
  const decide = async (about: object) =>
    decisionSchema.parse((await hub.api('POST', '/v1/decide', { class: 'focus', ...about }, operator)).body)
  const granted = await decide({ action: 'publish', stream_id: 'cam-2' })
  t.is(granted.outcome, 'grant')
  t.like(await decide({ action: 'subscribe', stream_id: 'cam-1' }), { outcome: 'grant', transport: 'webrtc' })
  t.like(await decide({ action: 'reroute', stream_id: 'cam-1', class: 'bulk' }), { outcome: 'grant' })
  const missing = await decide({ action: 'subscribe', stream_id: 'cam-2' })
  t.like(missing, { outcome: 'refuse', refusal: { code: 'stream_not_found', status: 404 } })
  t.deepEqual(await state(), before)

  const real = contractIn(await publish(operator, 'cam-2'))
  if (granted.outcome === 'refuse') return t.fail()
  const { mode, transport, pacing, abr, latency, buffer } = granted
  t.like(real, { mode, transport, pacing, abr, latency, buffer })
})

test('news of a contract comes at once, and a question without news is answered after some seconds', async (t) => {
  const { publisher, operator, tokenOf } = await tenant('news')
  const { contract_id } = contractIn(await publish(publisher, 'cam-1'))
  const quiet = contractIn(await publish(publisher, 'cam-2'))
  const next = async (id: string, after: number) => {
    const path = `/v1/flows/${id}/next?after_version=${after}`
    const { status, body } = await hub.api('GET', path, undefined, publisher)
    const at = performance.now()
    t.is(status, 200)
    return { at, event: z.object({ event: flowEventSchema.nullable() }).parse(body).event }
  }
  const asked = performance.now()
  const silence = next(quiet.contract_id, 1)
  t.like(await next(contract_id, 0), { event: { type: 'contract', contract: { version: 1 } } })

  const waiting = next(contract_id, 1)
  const director = await tokenOf('director')
  const reroutedAt = performance.now()
  const body = { stream_id: 'cam-1', reason: 'by hand', class: 'bulk' }
  const rerouted = await hub.api('POST', '/v1/reroute', body, director)
  t.is(rerouted.status, 200)
  // A director may move a stream without ever holding its keys.
  t.false(JSON.stringify(rerouted.body).includes('passphrase'))
  const news = await waiting
  t.like(news.event, { type: 'contract', contract: { version: 2, class: 'bulk' } })
  t.truthy(news.event?.type === 'contract' && news.event.contract.keys?.passphrase)
  t.true(news.at - reroutedAt < AT_ONCE_MS, `${news.at - reroutedAt} ms`)

  const end = next(contract_id, 2)
  // On a connection of its own the end could overtake the question, which then finds nothing.
  await delay(QUESTION_ARRIVES_MS)
  const revokedAt = performance.now()
  await hub.api('DELETE', `/v1/flows/${contract_id}`, undefined, operator)
  const over = await end
  t.deepEqual(over.event, { type: 'ended', reason: 'revoked' })
  t.true(over.at - revokedAt < AT_ONCE_MS, `${over.at - revokedAt} ms`)

  const { at, event } = await silence
  t.is(event, null)
  t.true(at - asked > 5000 && at - asked < 10_000, `${at - asked} ms`)
})
