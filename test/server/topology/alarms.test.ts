import test from 'ava'
import type { Alarm } from '../../../common/wire/alarm.ts'
import { alarmSchema } from '../../../common/wire/alarm.ts'
import { AlarmWatch } from '../../../server/topology/alarm-watch.ts'
import { ALARM_RULES, AlarmBook } from '../../../server/topology/alarms.ts'
import { QosTriggers, type Reconsider } from '../../../server/topology/qos-triggers.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import type { QosCause } from '../../../server/topology/trigger-queue.ts'
import { Seeded } from '../../policy/seeded.ts'
import { Clock, dead, entry, flow, good, T0, TENANT, watchedBy, wire, world } from './world.ts'

function book() {
  const told: string[] = []
  const alarms = new AlarmBook({
    alarmRaised: ({ kind, subject }) => told.push(`+${kind} ${subject}`),
    alarmCleared: ({ kind, subject }, why) => told.push(`-${kind} ${subject} ${why}`),
  })
  return { alarms, told }
}
const OVER = { kind: 'oversubscribed_access_point', tenantId: TENANT, subject: 'node:ap-1' } as const

test('an alarm is raised by what lasts, and cleared by what lasts', (t) => {
  const { alarms, told } = book()
  alarms.report(OVER, true, 'too much', T0)
  alarms.report(OVER, true, 'too much', T0 + 4000)
  alarms.report(OVER, false, '', T0 + 4500)
  alarms.report(OVER, true, 'too much', T0 + 5000)
  t.deepEqual(told, [])
  alarms.sweep(T0 + 10_000)
  t.deepEqual(told, ['+oversubscribed_access_point node:ap-1'])
  t.deepEqual(alarms.list(TENANT), [
    {
      kind: OVER.kind,
      tenant_id: TENANT,
      subject: OVER.subject,
      message: 'too much',
      raised_at: T0 + 10_000,
    },
  ])
  t.deepEqual(alarms.list('rival'), [])
  t.is(alarms.list(null).length, 1)
  alarms.report(OVER, false, '', T0 + 11_000)
  alarms.report(OVER, true, 'again', T0 + 20_000)
  alarms.report(OVER, false, '', T0 + 21_000)
  alarms.sweep(T0 + 35_999)
  t.is(told.length, 1)
  alarms.sweep(T0 + 36_000)
  t.is(told.at(-1), '-oversubscribed_access_point node:ap-1 recovered')
  t.deepEqual(alarms.list(null), [])
  t.deepEqual([...alarms.counts()], [])
})

test('conditions that flap make no flood of alarms', (t) => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = new Seeded(seed)
    const { alarms, told } = book()
    let now = T0
    for (let round = 0; round < 1000; round += 1) {
      now += 200
      alarms.report(OVER, random.chance(0.5), 'x', now)
    }
    const { raiseAfterMs, clearAfterMs } = ALARM_RULES[OVER.kind]
    t.true(told.length <= (2 * 200_000) / (raiseAfterMs + clearAfterMs))
    const balance = told.reduce((sum, line) => sum + (line.startsWith('+') ? 1 : -1), 0)
    t.true(balance === 0 || balance === 1, 'raised and cleared in turn')
  }
})

test('there is room for so many conditions, and a count of the rest', (t) => {
  const { alarms } = book()
  for (let index = 0; index < 10_010; index += 1)
    alarms.report({ kind: 'link_down', tenantId: TENANT, subject: `link:n/${index}` }, true, 'x', T0)
  t.is(alarms.leftOut, 10)
  t.is(alarms.list(null).length, 10_000)
})

function rig() {
  const clock = new Clock()
  const topology = world()
  const links = [wire('lte-1', 'hub-1'), wire('wifi-1', 'ap-1')]
  topology.upsert(
    TENANT,
    'ap-1',
    entry('access-point', { max_kbps: 10_000, links: [wire('up', 'hub-1')] }),
    T0,
  )
  topology.upsert(TENANT, 'sender-1', entry('sender', { links }), T0)
  const slo = new SloTracker(() => 200)
  const causes: QosCause[] = []
  const look: Reconsider = async (_flow, _cause, all) => {
    causes.push(...all)
    return { betterSince: null }
  }
  const triggers = new QosTriggers({
    topology,
    slo,
    now: clock.now,
    events: {
      reconsidered: () => {},
      reconsiderFailed: (_flow, _causes, error) => t0(error),
      rerouted: () => {},
    },
  })
  const t0 = (error: unknown) => {
    throw error
  }
  const history: string[] = []
  const raised: Alarm[] = []
  const alarms = new AlarmBook({
    alarmRaised: (alarm) => {
      raised.push(alarm)
      history.push(`+${alarm.kind} ${alarm.subject}`)
    },
    alarmCleared: (alarm, why) => history.push(`-${alarm.kind} ${alarm.subject} ${why}`),
  })
  const watch = new AlarmWatch({ topology, triggers, slo, alarms })
  return {
    clock,
    topology,
    triggers,
    slo,
    alarms,
    history,
    raised,
    causes,
    run: (forMs: number, each: (at: number) => void, alive = true) =>
      clock.run(forMs, 1000, (at) => {
        if (alive) for (const nodeId of ['sender-1', 'ap-1']) topology.seen(TENANT, nodeId, at)
        each(at)
        topology.sweep(at)
        triggers.tick(look)
        watch.tick(at)
      }),
  }
}

test('link down: raised at once, kept while the link is probed or left, cleared when it serves', (t) => {
  const { topology, triggers, run, history, raised, alarms } = rig()
  const report = (read: typeof good) => (at: number) => {
    topology.observe(TENANT, 'sender-1', 'lte-1', read(at))
  }
  run(5000, report(good))
  triggers.watch(flow())
  run(2000, report(dead))
  t.deepEqual(history, ['+link_down link:sender-1/lte-1'])
  t.regex(raised[0]!.message, /dead: packets lost/)
  t.true(alarmSchema.safeParse(alarms.list(TENANT)[0]).success)
  // The flow moves away: that does not mend the link.
  triggers.watch(flow({ links: [], bindings: [], nodes: ['sender-1', 'ap-1', 'hub-1'] }))
  run(20_000, () => {})
  t.is(history.length, 1)
  run(5000, report(good))
  t.is(history.length, 1, 'delivers again, and is being probed')
  run(40_000, report(good))
  t.deepEqual(history.slice(1), ['-link_down link:sender-1/lte-1 recovered'])
})

test('what an alarm is about can vanish', (t) => {
  const { topology, triggers, run, history } = rig()
  const report = (at: number) => topology.observe(TENANT, 'sender-1', 'lte-1', dead(at))
  triggers.watch(flow())
  run(2000, report)
  topology.remove(TENANT, 'sender-1')
  run(2000, () => {})
  t.true(history.includes('-link_down link:sender-1/lte-1 gone'))
})

test('node down: what is always there, and senders while something runs over them', (t) => {
  const { triggers, run, history } = rig()
  run(3000, () => {})
  run(15_000, () => {}, false)
  t.deepEqual(history, ['+node_down node:ap-1'], 'a sender that is switched off is no alarm')
  triggers.watch(flow())
  run(1000, () => {}, false)
  t.is(history.at(-1), '+node_down node:sender-1')
  run(10_000, () => {})
  t.deepEqual(history.slice(2).sort(), [
    '-node_down node:ap-1 recovered',
    '-node_down node:sender-1 recovered',
  ])
})

/** The answers of looks at flows come in. */
const looksEnd = () => new Promise((resolve) => setImmediate(resolve))

test('an access point that has more flows than it can carry', async (t) => {
  const { triggers, run, history, raised, causes } = rig()
  const over = (contractId: string, kbps: number) =>
    flow({
      contractId,
      kbps,
      nodes: ['sender-1', 'ap-1', 'hub-1'],
      links: ['wifi-1', 'up'],
      bindings: [{ link_id: 'wifi-1', node_id: 'ap-1', weight: 0 }],
    })
  triggers.watch(over('c1', 6000))
  run(10_000, () => {})
  t.deepEqual(history, [])
  await looksEnd()
  triggers.watch(over('c2', 6000))
  run(10_000, () => {})
  t.deepEqual(history, ['+oversubscribed_access_point node:ap-1'])
  t.is(raised[0]?.message, '2 flows, 12000 kb/s granted and 0 kb/s carried of 10000, 0 links congested')
  await looksEnd()
  t.is(causes.filter((cause) => cause === 'oversubscribed').length, 2, 'its flows are looked at')
  triggers.watch(over('c2', 3000))
  run(20_000, () => {})
  t.is(history.length, 1, '9000 of 10000 is still too near')
  triggers.watch(over('c2', 1000))
  run(20_000, () => {})
  t.is(history.at(-1), '-oversubscribed_access_point node:ap-1 recovered')
})

test('path flapping: a flow that switches again and again, a link that fails again and again', (t) => {
  const { topology, triggers, run, history } = rig()
  const other = flow({ links: [], bindings: [], nodes: ['sender-1', 'ap-1', 'hub-1'] })
  triggers.watch(flow())
  for (let round = 0; round < 2; round += 1) {
    run(30_000, () => {})
    triggers.watch(round % 2 === 0 ? other : flow())
  }
  run(1000, () => {})
  t.false(history.includes('+path_flapping flow:c1'))
  triggers.watch(other)
  run(1000, () => {})
  t.true(history.includes('+path_flapping flow:c1'))
  triggers.watch(flow())
  for (let round = 0; round < 3; round += 1) {
    run(30_000, (at) => topology.observe(TENANT, 'sender-1', 'lte-1', good(at)))
    run(2000, (at) => topology.observe(TENANT, 'sender-1', 'lte-1', dead(at)))
  }
  t.true(history.includes('+path_flapping link:sender-1/lte-1'))
  run(700_000, (at) => topology.observe(TENANT, 'sender-1', 'lte-1', good(at)))
  t.true(history.includes('-path_flapping flow:c1 recovered'))
  t.true(history.includes('-path_flapping link:sender-1/lte-1 recovered'))
})

test('a service level that is missed', (t) => {
  const { slo, run, history, raised } = rig()
  const watch = (glassToGlassMs: number) => (at: number) => {
    for (let viewer = 0; viewer < 5; viewer += 1) {
      slo.record(watchedBy(`v${viewer}`), viewer === 0 ? glassToGlassMs : 100, at)
    }
  }
  run(30_000, watch(150))
  t.deepEqual(history, [])
  run(60_000, watch(350))
  t.deepEqual(history, ['+slo_breach class:focus'])
  t.regex(raised[0]!.message, /\d+ % of \d+ reports in 5 minutes were later than 200 ms/)
  run(500_000, watch(150))
  t.deepEqual(history, ['+slo_breach class:focus', '-slo_breach class:focus recovered'])
})
