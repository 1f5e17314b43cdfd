import test from 'ava'
import { postTelemetry } from '../../../server/api/telemetry.ts'
import { listAlarms } from '../../../server/api/topology/list-alarms.ts'
import { listLinks } from '../../../server/api/topology/list-links.ts'
import { reportApplier } from '../../../server/telemetry/apply-report.ts'
import { TelemetryIntake } from '../../../server/telemetry/intake.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { until } from '../../support/until.ts'
import { apiRig } from '../api/api-rig.ts'
import { entry, wire } from '../topology/world.ts'
import { linkReport } from './link-report.ts'

const T = 'acme'

/** The real API with telemetry, and two tenants with a sender each. */
async function rig(capacity = 20_000) {
  const outcomes = new Map<string, number>()
  const alarms = new AlarmBook({ alarmRaised: () => {}, alarmCleared: () => {} })
  const slo = new SloTracker(() => 200)
  const later: (() => void)[] = []
  const state: { intake?: TelemetryIntake; held: boolean } = { held: false }
  const api = await apiRig({
    routes: (parts) => {
      const intake = new TelemetryIntake({
        apply: reportApplier({
          topology: parts.topology,
          slo,
          streamClass: (tenantId, streamId) =>
            `${tenantId}/${streamId}` === `${T}/cam-1` ? 'focus' : undefined,
        }),
        now: parts.now,
        counted: (slice) => {
          for (const [outcome, count] of slice) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count)
        },
        refused: () => {},
        failed: () => {},
        soon: (work) => {
          if (state.held) later.push(work)
          else setImmediate(work)
        },
        capacity,
      })
      state.intake = intake
      return [postTelemetry(intake), listLinks(parts), listAlarms({ alarms })]
    },
  })
  const tokens: Record<string, string> = {}
  for (const role of ['operator', 'publisher', 'viewer', 'director'] as const)
    tokens[role] = await api.tokenFor(T, role)
  tokens['rival'] = await api.tokenFor('rival', 'operator')
  await api.directory.put(null, 'hub-1', entry('hub'))
  for (const tenantId of [T, 'rival'])
    await api.directory.put(tenantId, 'sender-1', entry('sender', { links: [wire('lte-1', 'hub-1')] }))
  const wanted = { subject: 'sender-1', role: 'node', tenant_id: T, node_id: 'sender-1', by: 'hub' } as const
  tokens['node'] = (await api.auth.tokens.issueJwt(wanted, 3600)).token
  const post = (who: string, body: unknown, path = '/v1/telemetry') =>
    api.ask('POST', path, { token: tokens[who] ?? null, body })
  return { ...api, api, tokens, post, outcomes, alarms, slo, state, later, intake: () => state.intake! }
}

const report = (more: object = {}) => linkReport(Date.now(), more)

test('reports go in, and come out in the list of links', async (t) => {
  const hub = await rig()
  await using _api = hub.api
  const single = await hub.post('node', report())
  t.deepEqual([single.status, single.json], [202, { accepted: 1 }])
  const batch = await hub.post('publisher', [report(), report({ link_id: 'eth0', rtt_ms: 7 })])
  t.deepEqual([batch.status, batch.json], [202, { accepted: 2 }])
  await until(() => hub.outcomes.get('applied') === 3, 'all are worked in')
  const links = (await hub.ask('GET', '/v1/links', { token: hub.tokens['operator']! })).json.links
  t.deepEqual(
    links.map(({ link_id, standing, declared, freshness }: Record<string, unknown>) => [
      link_id,
      standing,
      declared,
      freshness,
    ]),
    [
      ['eth0', 'serving', false, 1],
      ['lte-1', 'serving', true, 1],
    ],
  )
  t.is(links[0].newest.rtt_ms, 7)
  t.true((await hub.ask('GET', '/v1/nodes/sender-1', { token: hub.tokens['operator']! })).json.up)
  const theirs = (await hub.ask('GET', '/v1/links', { token: hub.tokens['rival']! })).json.links
  t.deepEqual(
    theirs.map(({ standing, newest }: Record<string, unknown>) => [standing, newest]),
    [['unproven', null]],
    'another tenant’s node of the same name is untouched',
  )
  t.is(
    (await hub.ask('GET', '/v1/links?standing=dead', { token: hub.tokens['operator']! })).json.links.length,
    0,
  )
  t.deepEqual(hub.failures, [])
})

test('a caller who may not report hears so, and nothing of the batch is taken', async (t) => {
  const hub = await rig()
  await using _api = hub.api
  const { link_id: _link, ...seen } = report({ stream_id: 'cam-1', node_id: 'hub-1', glass_to_glass_ms: 120 })
  for (const [who, body, status, code] of [
    ['nobody', report(), 401, 'unauthenticated'],
    ['node', [report(), report({ node_id: 'sender-2' })], 403, 'not_your_node'],
    ['viewer', report({ stream_id: 'cam-1' }), 403, 'not_your_node'],
    ['viewer', { ...seen, stream_id: undefined }, 400, 'stream_missing'],
    ['director', seen, 403, 'denied'],
    ['node', [], 400, 'bad_request'],
    ['node', report({ loss: 2 }), 400, 'bad_request'],
    ['node', report({ more: 1 }), 400, 'bad_request'],
    ['node', report({ node_id: '../etc' }), 400, 'bad_request'],
  ] as const) {
    const answer = await hub.post(who, body)
    t.deepEqual([answer.status, answer.json.error?.code], [status, code], `${who}: ${answer.text}`)
  }
  const wrong = await hub.post('node', [report(), report({ loss: 2 })])
  t.regex(wrong.json.error.details.join('\n'), /body\.1\.loss/)
  t.is((await hub.post('rival', report(), `/v1/telemetry?tenant_id=${T}`)).status, 404)
  t.is(hub.intake().waiting, 0)
  t.is(hub.outcomes.size, 0)
  t.is((await hub.post('viewer', seen)).status, 202)
  t.is(
    (await hub.post('viewer', { ...seen, stream_id: 'cam-9' })).status,
    202,
    'no telling which streams there are',
  )
  await until(() => hub.outcomes.get('unknown_stream') === 1, 'it is only counted')
  t.is(hub.slo.levels(Date.now())[0]?.count, 1)
})

test('a full queue answers 429 with Retry-After to the caller that filled it', async (t) => {
  const hub = await rig(2000)
  await using _api = hub.api
  hub.state.held = true
  const batch = Array.from({ length: 1000 }, () => report())
  t.is((await hub.post('node', batch)).status, 202)
  const refused = await hub.post('node', batch)
  t.is(refused.status, 429)
  t.is(refused.json.error.code, 'telemetry_saturated')
  t.true(Number(refused.headers.get('retry-after')) >= 1)
  t.is(hub.intake().waiting, 1000, 'all or nothing')
  t.is((await hub.post('rival', report())).status, 202, 'others are not turned away')
  hub.state.held = false
  for (const work of hub.later.splice(0)) work()
  await until(() => hub.intake().waiting === 0, 'the queue drains')
  t.is((await hub.post('node', batch)).status, 202)
})

test('alarms are listed by tenant', async (t) => {
  const hub = await rig()
  await using _api = hub.api
  const now = Date.now()
  hub.alarms.report({ kind: 'link_down', tenantId: T, subject: 'link:sender-1/lte-1' }, true, 'dead', now)
  hub.alarms.report({ kind: 'node_down', tenantId: null, subject: 'node:hub-1' }, true, 'silent', now)
  const list = async (token: string, query = '') =>
    (await hub.ask('GET', `/v1/alarms${query}`, { token })).json.alarms.map(
      ({ kind, raised_at }: Record<string, unknown>) => [kind, raised_at],
    )
  t.deepEqual(await list(hub.tokens['operator']!), [['link_down', now]])
  t.deepEqual(await list(hub.tokens['rival']!), [])
  t.is((await list(hub.adminToken)).length, 2)
  t.deepEqual(await list(hub.adminToken, '?kind=node_down'), [['node_down', now]])
})
