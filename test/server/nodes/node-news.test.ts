import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import type { BroadcastStatus, NodeReport } from '../../../common/wire/node-report.ts'
import type { FactBody } from '../../../server/facts/fact.ts'
import { FactBus } from '../../../server/facts/fact-bus.ts'
import { NodeNews } from '../../../server/nodes/node-news.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'

const node = { tenantId: 't1', nodeId: 'van-1' }

function rig() {
  const clock = { now: 0 }
  const facts: FactBody[] = []
  const bus = new FactBus<FactBody>({ missed: () => {}, failed: () => {}, clock: { wall: () => 0 } })
  bus.subscribe({
    name: 'test',
    of: 'all',
    kinds: ['node_config', 'node_command', 'node_broadcast'],
    capacity: 100,
    take: (batch) => void facts.push(...batch.map(({ body }) => body)),
  })
  const alarms = new AlarmBook({ alarmRaised: () => {}, alarmCleared: () => {} })
  const news = new NodeNews({ facts: bus, alarms, steady: () => clock.now })
  const raised = () => alarms.list('t1').map(({ kind, subject, message }) => `${kind} ${subject}: ${message}`)
  return { clock, facts, alarms, news, raised }
}

const statusOf = (
  stream_id: string,
  state: BroadcastStatus['state'],
  reason: string | null = null,
): BroadcastStatus => ({
  stream_id,
  state,
  reason,
  since: 0,
  contract_id: null,
  encoder: null,
  target_kbps: null,
  sent_kbps: 0,
  fps: null,
  renditions: [],
  encoder_restarts: 0,
  sender_restarts: 0,
  backlog_mb: 0,
  links: [],
})

test('a refused document is a fact and an alarm, until one is taken', async (t) => {
  const { facts, news, raised } = rig()
  news.configured(node, 3, { state: 'refused', code: 'no_camera', reason: 'no camera', details: [] })
  t.deepEqual(raised(), ['node_config_refused node:van-1: version 3: no camera'])
  news.configured(node, 4, null)
  t.deepEqual(raised(), [])
  news.local(node)
  await setImmediate()
  const about = { kind: 'node_config', nodeId: 'van-1' }
  t.deepEqual<unknown, unknown>(facts, [
    { ...about, news: 'refused', version: 3, reason: 'no_camera: no camera' },
    { ...about, news: 'applied', version: 4, reason: null },
    { ...about, news: 'local', version: null, reason: null },
  ])
})

test('a state of a broadcast is told once, and one that lasts in trouble is an alarm as long as anybody knows of it', async (t) => {
  const { clock, facts, alarms, news, raised } = rig()
  const tell = (...all: BroadcastStatus[]) => {
    clock.now += 1000
    news.broadcasts(node, all)
  }
  tell(statusOf('cam-1', 'starting'), statusOf('cam-2', 'off'))
  tell(statusOf('cam-1', 'no_input', 'unplugged'), statusOf('cam-2', 'off'))
  for (let second = 0; second < 4; second += 1) tell(statusOf('cam-1', 'no_input', 'unplugged'))
  t.deepEqual(raised(), [])
  tell(statusOf('cam-1', 'no_input', 'unplugged'))
  t.deepEqual(raised(), ['broadcast_failing broadcast:van-1/cam-1: no_input: unplugged'])
  await setImmediate()
  const states = facts.map((fact) => (fact.kind === 'node_broadcast' ? `${fact.streamId} ${fact.state}` : ''))
  t.deepEqual(states, ['cam-1 starting', 'cam-2 off', 'cam-1 no_input'])
  // A device that is away says nothing of its camera.
  news.connected(node, false)
  t.deepEqual(raised(), [])
  tell(statusOf('cam-1', 'failed'))
  clock.now += 5000
  alarms.sweep(clock.now)
  t.is(raised().length, 1)
  tell()
  t.deepEqual(raised(), [])
})

test('a device that is short of something is strained', (t) => {
  const { clock, alarms, news, raised } = rig()
  const fine: NonNullable<NodeReport['system']> = {
    cpu: 0.2,
    cores: 4,
    memory_mb: { total: 4000, available: 3000 },
    disk_mb: { total: 30_000, available: 20_000 },
    temperature_c: 82,
    throttled: false,
    load_1m: 1,
  }
  for (const [system, words] of [
    [fine, null],
    [{ ...fine, throttled: true }, 'its cores are slowed down at 82 °C'],
    [{ ...fine, disk_mb: { total: 30_000, available: 12 } }, '12 MB of its disk are left'],
    [{ ...fine, memory_mb: { total: 4000, available: 100 } }, '100 MB of its memory are left'],
  ] as const) {
    news.reported(node, { system })
    clock.now += 20_000
    news.reported(node, { system })
    t.deepEqual(raised(), words === null ? [] : [`node_strained node:van-1: ${words}`])
    news.reported(node, { system: fine })
    clock.now += 30_000
    alarms.sweep(clock.now)
    t.deepEqual(raised(), [])
  }
  news.reported(node, { system: { ...fine, throttled: true } })
  news.forget(node)
  t.deepEqual(alarms.subjects('node_strained'), [])
})
