import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import test from 'ava'
import { LOCK_SECONDS, MAX_TAKE_AHEAD_MS, MAX_TAKE_LATE_MS } from '../../common/wire/programs-api.ts'
import { MAX_INPUTS } from '../../common/wire/switched-inputs.ts'
import { MAX_TELEMETRY_BATCH } from '../../common/wire/telemetry.ts'
import { MAX_LINKS_PER_NODE } from '../../common/wire/topology.ts'
import { MAX_FLOWS, MAX_REALM_BYTES, MAX_REFUSALS } from '../../common/wire/turn-ipc.ts'
import { WORKER_CPU_CEILING } from '../../policy/capacity.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import { effectivePolicy, POLICY_DEFAULTS } from '../../policy/effective.ts'
import { EVIDENCE_RULES } from '../../policy/evidence.ts'
import { FRESHNESS_RULES } from '../../policy/health.ts'
import { MAX_PROGRAM_DEPTH } from '../../policy/programs/program-graph.ts'
import { MAX_BODY_BYTES } from '../../server/api/request-body.ts'
import { AUDIT_BURST_RULES } from '../../server/audit/audit-bursts.ts'
import { MAX_CERTIFICATE_MS } from '../../server/auth/authorities.ts'
import { MAX_ENROLMENT_SECONDS } from '../../server/auth/enrolment.ts'
import { DEFAULT_CERTIFICATE_DAYS } from '../../server/auth/node-certificates.ts'
import { COSTS, DEFAULT_LIMITS } from '../../server/auth/rate-limits.ts'
import { DEFAULT_MAX_TOKEN_SECONDS } from '../../server/auth/tokens.ts'
import { SETTINGS } from '../../server/config/settings.ts'
import { DEGRADED_AT } from '../../server/health.ts'
import { CUT_RATE } from '../../server/programs/cut-rate.ts'
import { MAX_PROGRAMS } from '../../server/programs/programs.ts'
import { REMEMBERED } from '../../server/programs/remembered-takes.ts'
import { MAX_WAITING_TAKES } from '../../server/programs/takes-in-turn.ts'
import { STORE_WATCH_RULES } from '../../server/store/store-watch.ts'
import { MAX_SKEW_MS } from '../../server/telemetry/clock-skew.ts'
import { INTAKE_DEFAULTS } from '../../server/telemetry/intake.ts'
import { ALARM_RULES } from '../../server/topology/alarms.ts'
import { DOWN_AFTER_MS, FORGET_LEARNED_MS } from '../../server/topology/graph.ts'
import { MAX_NODES_PER_TENANT } from '../../server/topology/node-directory.ts'
import { QUEUE_RULES } from '../../server/topology/trigger-queue.ts'
import { CHANNEL_MS, MAX_CHANNELS, MAX_PERMISSIONS, PERMISSION_MS } from '../../turn/allocation.ts'
import { ANSWERS_PER_SECOND } from '../../turn/answer-limit.ts'
import { MAX_CREDENTIAL_S } from '../../turn/credentials.ts'
import { LIFETIME_S } from '../../turn/methods/allocate.ts'
import { NONCE_LIFE_S } from '../../turn/nonces.ts'
import { FRAME_MS, IDLE_MS, MAX_QUEUED_BYTES } from '../../turn/stream-client.ts'

const text = readFileSync(resolve(import.meta.dirname, '../../docs/limits.md'), 'utf8')
/** The cells of each row by the first of them, without the marks of code. */
const rows = new Map(
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replaceAll('`', '').slice(2, -2).split(' | '))
    .map((cells) => [cells[0], cells.slice(1)]),
)
const seconds = (ms: number) => (ms === 0 ? 'at once' : `${ms / 1000} s`)
const thousands = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ' ')

test('limits stand there as the code has them', (t) => {
  const says = (row: string, ...words: (string | number)[]) => {
    const cells = rows.get(row)?.join(' | ')
    for (const word of words)
      t.regex(cells ?? '', new RegExp(`(^|[^\\d.])${String(word).replace('.', '\\.')}(?![\\d.]*\\d)`), row)
  }
  const percent = (share: number) => `${share * 100} %`
  says('a credential', `${MAX_CREDENTIAL_S} s`)
  says('realm', MAX_REALM_BYTES)
  says('a nonce', `${NONCE_LIFE_S} s`)
  says('an allocation without a Refresh', `${LIFETIME_S} s`)
  says('a permission, a channel', seconds(PERMISSION_MS), seconds(CHANNEL_MS))
  says('permissions and channels of an allocation', MAX_PERMISSIONS)
  t.is(MAX_CHANNELS, MAX_PERMISSIONS)
  says('answer to a stranger over UDP', ANSWERS_PER_SECOND)
  says('bytes that wait for a client over TCP or TLS', MAX_QUEUED_BYTES / 1024)
  says(
    'a connection without an allocation; an unfinished frame; a TLS handshake',
    seconds(IDLE_MS),
    seconds(FRAME_MS),
  )
  says('refusals that the hub hears of', MAX_REFUSALS)
  says('flows that the hub hears of', MAX_FLOWS)
  says('viewer connections', SETTINGS.maxConnections.default)
  says('RIST ports', SETTINGS.ristPorts.default)
  says('loopback RTP ports', SETTINGS.rtpPorts.default)
  says('stop after SIGTERM', SETTINGS.drainMs.default)
  says('least busy media worker', percent(WORKER_CPU_CEILING))
  says('ready no more', percent(DEGRADED_AT.workerCpu), percent(DEGRADED_AT.connections))
  says('ready no more', `${DEGRADED_AT.eventLoopMs} ms`)
  t.is(DEGRADED_AT.ports, DEGRADED_AT.connections)
  t.is(DEGRADED_AT.storeQueue, 0.5)
  says("store tried by a write of the hub's own", seconds(STORE_WATCH_RULES.idleMs), 'once a second')
  t.is(STORE_WATCH_RULES.retryMs, 1000)
  t.is(AUDIT_BURST_RULES.windowMs, 60_000)
  says('audit records of decisions that repeat', AUDIT_BURST_RULES.kinds)
  says('audit records of decisions that repeat', AUDIT_BURST_RULES.kindsOfTenant)
  says('telemetry in one request', MAX_TELEMETRY_BATCH)
  says('telemetry that waits', thousands(INTAKE_DEFAULTS.capacity), `${INTAKE_DEFAULTS.sliceMs} ms`)
  says('age of a report', seconds(FRESHNESS_RULES.invalidMs), seconds(MAX_SKEW_MS))
  says('links of a node', MAX_LINKS_PER_NODE, `${FORGET_LEARNED_MS / 60_000} minutes`)
  says('nodes of a tenant', thousands(MAX_NODES_PER_TENANT))
  says('programs', MAX_PROGRAMS, MAX_INPUTS, MAX_PROGRAM_DEPTH)
  says('cuts (take, preview, auto, lock)', CUT_RATE.perSecond, CUT_RATE.burst, MAX_WAITING_TAKES)
  says('time of a take', seconds(MAX_TAKE_AHEAD_MS), seconds(MAX_TAKE_LATE_MS))
  const remembered = 'answers of takes that are remembered by request_id'
  says(remembered, REMEMBERED.most, `${REMEMBERED.ms / 60_000} minutes`)
  says('lock of a program', `${LOCK_SECONDS.least} s`)
  t.is(LOCK_SECONDS.most, 86_400)
  t.is(LOCK_SECONDS.usual, 3600)
  says('node without a sign of life', seconds(DOWN_AFTER_MS))
  const { perSecond, running, gapMs } = QUEUE_RULES
  says(
    'looks at running flows',
    perSecond.urgent,
    perSecond.other,
    running,
    `${gapMs.urgent} ms`,
    seconds(gapMs.other),
  )
  says('request body', `${MAX_BODY_BYTES / 2 ** 20} MiB`)
  const { principal, address, failures } = DEFAULT_LIMITS
  const points = (count: number) => count.toLocaleString('en')
  says(
    'requests',
    points(principal.points),
    `${principal.seconds} s`,
    points(address.points),
    ...Object.values(COSTS),
  )
  says('bad proofs', failures.points, `${failures.seconds} s`)
  says('life of a JWT', `${DEFAULT_MAX_TOKEN_SECONDS / 86_400} days`)
  says('life of an enrolment token', `${MAX_ENROLMENT_SECONDS / 86_400} days`)
  says("life of a node's certificate", `${DEFAULT_CERTIFICATE_DAYS} days`, MAX_CERTIFICATE_MS / 86_400_000)
})

test('alarms, classes, policy and evidence stand there with all they have', (t) => {
  for (const [kind, { raiseAfterMs, clearAfterMs }] of Object.entries(ALARM_RULES))
    t.deepEqual(rows.get(kind), [seconds(raiseAfterMs), seconds(clearAfterMs)], kind)
  for (const [name, profile] of Object.entries(CLASS_PROFILES)) {
    const { glassToGlassMs, videoKbps, ristBuffer, strategy, uplinks, burstMs } = profile
    t.deepEqual(rows.get(name), [
      glassToGlassMs === null ? 'none' : `${glassToGlassMs} ms`,
      [videoKbps.floor, videoKbps.start, videoKbps.ceiling].join(', '),
      `${ristBuffer.rttMultiple} x RTT, ${ristBuffer.minMs}-${ristBuffer.maxMs} ms`,
      ...[strategy, uplinks, `${burstMs} ms`],
    ])
  }
  const { contractSeconds, maxHops, switchSeconds, switchMarginPercent, ...more } = POLICY_DEFAULTS
  t.deepEqual(more, {})
  const limits = { contract_seconds: contractSeconds, max_hops: maxHops, switch_seconds: switchSeconds }
  for (const [name, value] of Object.entries({ ...limits, switch_margin_percent: switchMarginPercent }))
    t.is(rows.get(`limits.${name}`)?.[0], String(value), name)
  const { ceilings, downgrade } = effectivePolicy('t1', {}, 1)
  t.true(Object.values(ceilings).every((ceiling) => ceiling === null))
  t.is(rows.get('admission.downgrade')?.[0], String(downgrade))
  for (const [name, value] of Object.entries({ ...EVIDENCE_RULES, ...FRESHNESS_RULES }))
    t.is(rows.get(name)?.[0], String(value), name)
})
