import test from 'ava'
import { NodeLoads } from '../../../server/topology/node-loads.ts'
import { entry, T0, TENANT, wire, world } from './world.ts'

test('what was granted over nodes is seen at once, and goes with its contract', (t) => {
  const topology = world()
  topology.upsert(TENANT, 'ap-1', entry('access-point', { links: [wire('up', 'hub-1')] }), T0)
  const loads = new NodeLoads(topology, () => T0)
  const load = (tenantId: string | null, nodeId: string) => {
    const { flows, kbps, workerCpu } = topology.record(tenantId, nodeId)!.load
    t.deepEqual(topology.snapshot.node(tenantId, nodeId)?.facts.load, { flows, kbps, workerCpu })
    return [flows, kbps, workerCpu]
  }
  const flow = (contractId: string, kbps: number, nodes = ['ap-1', 'hub-1']) =>
    loads.running({ contractId, tenantId: TENANT, nodes, kbps })
  flow('c1', 3000)
  flow('c2', 2000)
  t.deepEqual(load(TENANT, 'ap-1'), [2, 5000, 0])
  // Where media ends it is not sent on.
  t.deepEqual(load(null, 'hub-1'), [2, 0, 0])

  loads.measured(null, 'hub-1', { workerCpu: 0.4, flows: 10, kbps: 30_000 })
  t.deepEqual(load(null, 'hub-1'), [12, 30_000, 0.4])
  flow('c1', 1000)
  t.deepEqual(load(TENANT, 'ap-1'), [2, 3000, 0])
  flow('c1', 1000, ['hub-1'])
  t.deepEqual(
    [load(TENANT, 'ap-1'), load(null, 'hub-1')],
    [
      [1, 2000, 0],
      [12, 30_000, 0.4],
    ],
  )
  loads.over('c2')
  loads.over('c2')
  t.deepEqual(
    [load(TENANT, 'ap-1'), load(null, 'hub-1')],
    [
      [0, 0, 0],
      [11, 30_000, 0.4],
    ],
  )
  flow('c3', 1000, ['nobody-knows', 'hub-1'])
  loads.over('c3')
  t.deepEqual(load(null, 'hub-1'), [11, 30_000, 0.4])
})
