import test from 'ava'
import { isInRollout } from '../../../policy/releases/rollout.ts'

const nodes = Array.from({ length: 4000 }, (_, at) => ({ tenantId: `t${at % 4}`, nodeId: `node-${at}` }))
const chosen = (version: string, percent: number, tenants: string[] | null = null, halted = false) =>
  nodes.filter((node) => isInRollout(version, { tenants, percent, halted }, node))

test('a rollout reaches its share of the nodes, and a higher share all of these and more', (t) => {
  for (const percent of [0, 1, 10, 50, 99, 100]) {
    const share = (chosen('1.0.0', percent).length / nodes.length) * 100
    t.true(Math.abs(share - percent) <= 2, `${percent} % became ${share} %`)
  }
  t.is(chosen('1.0.0', 0).length, 0)
  t.is(chosen('1.0.0', 100).length, nodes.length)
  const [few, many] = [chosen('1.0.0', 10), new Set(chosen('1.0.0', 30))]
  t.true(few.every((node) => many.has(node)))
})

test('each release has other nodes that come first', (t) => {
  const [one, other] = [chosen('1.0.0', 10), new Set(chosen('1.0.1', 10))]
  const both = one.filter((node) => other.has(node)).length
  t.true(both < one.length / 3, `${both} of ${one.length} are the same`)
})

test('a rollout keeps to its tenants, and nobody gets what is halted', (t) => {
  t.deepEqual([...new Set(chosen('1.0.0', 100, ['t1', 't3']).map(({ tenantId }) => tenantId))].sort(), [
    't1',
    't3',
  ])
  t.is(chosen('1.0.0', 100, null, true).length, 0)
  const ofHub = { tenantId: null, nodeId: 'edge' }
  t.true(isInRollout('1.0.0', { tenants: null, percent: 100, halted: false }, ofHub))
  t.false(isInRollout('1.0.0', { tenants: ['t1'], percent: 100, halted: false }, ofHub))
})
