import test from 'ava'
import type { NodeReport } from '../../../common/wire/node-report.ts'
import { linkMisfit } from '../../../policy/paths/determinism.ts'
import { NodePorts } from '../../../server/nodes/node-ports.ts'
import { AlarmWatch } from '../../../server/topology/alarm-watch.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'
import { QosTriggers } from '../../../server/topology/qos-triggers.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { Clock, entry, flow, T0, TENANT, wire, world } from './world.ts'

const NODE = { tenantId: TENANT, nodeId: 'sender-1' }

const face = (name: string, link_id: string | null) => ({
  name,
  link_id,
  kind: 'wired' as const,
  carrier: true,
  mac: null,
  addresses: [],
  gateway: null,
  mtu: 1500,
  path: null,
  modem: null,
})
type Timing = NonNullable<NodeReport['timing']>[number]
const timed = (name: string, more: Partial<Timing> = {}): Timing => ({
  interface: name,
  ptp_device: '/dev/ptp0',
  hardware_timestamps: true,
  synchronised: true,
  offset_ns: 40,
  qdisc: 'taprio',
  pacing: 'agent',
  ...more,
})

function rig() {
  const clock = new Clock()
  const topology = world()
  const links = ['eth0', 'eth1'].map((linkId) => wire(linkId, 'hub-1', { medium: 'wired' }))
  topology.upsert(TENANT, 'sender-1', entry('sender', { links }), T0)
  const told: string[] = []
  const alarms = new AlarmBook({
    alarmRaised: ({ kind, subject, message }) => told.push(`+${kind} ${subject}: ${message}`),
    alarmCleared: ({ kind, subject }, why) => told.push(`-${kind} ${subject} ${why}`),
  })
  const slo = new SloTracker(() => 200)
  const events = { reconsidered() {}, reconsiderFailed() {}, rerouted() {} }
  const triggers = new QosTriggers({ topology, slo, events, now: clock.now })
  const watch = new AlarmWatch({ topology, triggers, slo, alarms })
  const looks: string[] = []
  const ports = new NodePorts(topology, clock.now)
  const run = async (forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 200) {
      clock.ms += 200
      topology.seen(TENANT, 'sender-1', clock.ms)
      triggers.tick(async ({ contractId }, cause) => {
        looks.push(`${contractId} ${cause}`)
        return { betterSince: null }
      })
      if (clock.ms % 1000 === 0) watch.tick(clock.ms)
      // The answers of looks come in.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { topology, triggers, ports, told, looks, run }
}

const onLink = (contractId: string, linkId: string, deterministic: boolean) =>
  flow({
    contractId,
    links: [linkId],
    bindings: [{ link_id: linkId, node_id: 'hub-1', weight: 0 }],
    deterministic,
  })

test('what a device tells of its ports counts for its links', (t) => {
  const { topology, ports } = rig()
  const misfits = () =>
    ['eth0', 'eth1'].map((linkId) => linkMisfit(topology.link(TENANT, 'sender-1', linkId)!))
  t.deepEqual(misfits(), ['no_tsn', 'no_tsn'], 'nobody told anything')
  ports.reported(NODE, { timing: [timed('enp1s0'), timed('enp2s0', { ptp_device: null })] })
  t.deepEqual(misfits(), ['no_tsn', 'no_tsn'], 'nobody knows which links these are')
  ports.reported(NODE, { interfaces: [face('enp1s0', 'eth0'), face('enp2s0', 'eth1'), face('br0', null)] })
  t.deepEqual(misfits(), [null, 'no_port_clock'])
  ports.reported(NODE, {
    timing: [timed('enp1s0', { synchronised: false }), timed('enp2s0', { qdisc: 'fq' })],
  })
  t.deepEqual(misfits(), ['clock_lost', 'no_tsn'])
  ports.reported(NODE, { timing: [timed('enp2s0')] })
  t.deepEqual(misfits(), ['no_port_clock', null], 'an uplink without a word has no clock')
  const again = entry('sender', { links: [wire('eth1', 'hub-1', { medium: 'wifi' })] })
  topology.upsert(TENANT, 'sender-1', again, T0)
  t.is(linkMisfit(topology.link(TENANT, 'sender-1', 'eth1')!), 'not_wired')
  topology.remove(TENANT, 'sender-1')
  topology.upsert(
    TENANT,
    'sender-1',
    entry('sender', { links: [wire('eth1', 'hub-1', { medium: 'wired' })] }),
    T0,
  )
  t.is(
    linkMisfit(topology.link(TENANT, 'sender-1', 'eth1')!),
    'no_tsn',
    'another node of that name told nothing yet',
  )
})

test('a lost clock is an alarm, and a look at the flows that need it', async (t) => {
  const { triggers, ports, told, looks, run } = rig()
  const interfaces = [face('enp1s0', 'eth0'), face('enp2s0', 'eth1')]
  ports.reported(NODE, { interfaces, timing: [timed('enp1s0'), timed('enp2s0')] })
  triggers.watch(onLink('exact', 'eth0', true))
  triggers.watch(onLink('usual', 'eth0', false))
  await run(4000)
  t.deepEqual([...told, ...looks], [])
  ports.reported(NODE, { timing: [timed('enp1s0', { synchronised: false }), timed('enp2s0')] })
  await run(400)
  t.deepEqual(looks, ['exact clock_lost'])
  // It goes by the other link: the alarm is about the clock.
  triggers.watch(onLink('exact', 'eth1', true))
  await run(3000)
  t.deepEqual(told, [
    '+clock_lost link:sender-1/eth0: the PTP clock of its port is not synchronised, and a deterministic flow needs it',
  ])
  ports.reported(NODE, { timing: [timed('enp1s0'), timed('enp2s0')] })
  await run(8000)
  t.is(told.at(-1), '-clock_lost link:sender-1/eth0 recovered')
  t.true(looks.includes('exact better_path'))
  t.is(looks.filter((look) => look.endsWith('clock_lost')).length, 1)
})

test('a clock that nobody needs is no alarm', async (t) => {
  const { triggers, ports, told, looks, run } = rig()
  triggers.watch(onLink('usual', 'eth0', false))
  ports.reported(NODE, {
    interfaces: [face('enp1s0', 'eth0')],
    timing: [timed('enp1s0', { synchronised: false })],
  })
  await run(4000)
  t.deepEqual(told, [])
  t.false(looks.some((look) => look.includes('clock_lost')))
})
