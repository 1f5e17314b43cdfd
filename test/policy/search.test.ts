import test from 'ava'
import { effectivePolicy } from '../../policy/effective.ts'
import { type PathDemand, passesOn } from '../../policy/paths/constraints.ts'
import { Costs, type Trust } from '../../policy/paths/costs.ts'
import type { GraphNode, TopologyGraph } from '../../policy/paths/graph.ts'
import { findPaths } from '../../policy/paths/search.ts'
import { mayPass } from '../../policy/tenancy.ts'
import { RIST, T0, TENANT } from './makers.ts'
import { randomOverlay } from './overlay-maker.ts'
import { Seeded } from './seeded.ts'

const MAX_HOPS = 4
const STRATEGIES = ['latency', 'bandwidth', 'hops', 'reputation', 'hybrid'] as const

function costsOf(
  graph: TopologyGraph,
  name: (typeof STRATEGIES)[number],
  arrival: (node: GraphNode) => number | null,
) {
  const { strategy, encryption } = effectivePolicy(TENANT, { paths: { strategies: { focus: name } } }, 1)
    .classes.focus
  const demand: PathDemand = {
    tenantId: TENANT,
    floorKbps: 600,
    firstLinkKbps: 600,
    maxOneWayMs: 200,
    deterministic: false,
    capability: RIST,
    encryption,
    hostNodeId: null,
    direction: 'in',
    region: null,
    settled: new Set(),
  }
  return {
    strategy,
    costs: new Costs({ snapshot: graph, strategy, demand, factor: () => 1, arrival, nowMs: T0 }),
  }
}

/** Walks every way there is. */
function cheapest(
  source: GraphNode,
  destination: GraphNode,
  costs: Costs,
  combine: 'sum' | 'max',
  trust: Trust,
): number {
  const walk = (from: GraphNode, cost: number, passed: readonly GraphNode[]): number => {
    if (from === destination) return cost
    if (passed.length > MAX_HOPS || (passed.length > 1 && !passesOn(from))) return Number.POSITIVE_INFINITY
    const ways = from.arcs
      .filter(({ to }) => !passed.includes(to))
      .map((arc) => {
        const step = costs.step(from, arc, trust, passed.length === 1)
        if (step === Number.POSITIVE_INFINITY) return step
        return walk(arc.to, combine === 'sum' ? cost + step : Math.max(cost, step), [...passed, arc.to])
      })
    return Math.min(Number.POSITIVE_INFINITY, ...ways)
  }
  return walk(source, 0, [source])
}

test('no way is cheaper than the one that was found, and none is found where there is none', (t) => {
  const random = new Seeded(4)
  let found = 0
  for (let round = 0; round < 400; round += 1) {
    const graph = randomOverlay(random, [TENANT, 'other']).build(random)
    const source = [...graph.nodes()].find(
      ({ facts }) => facts.role === 'sender' && facts.tenantId === TENANT,
    )
    if (!source) continue
    const home = graph.node(null, 'hub-1')!
    const trust = random.pick(['proven', 'living', 'any'] as const)
    for (const name of STRATEGIES) {
      const arrival = (node: GraphNode) => (node === home ? 0 : null)
      const { costs, strategy } = costsOf(graph, name, arrival)
      const question = {
        costs,
        trust,
        combine: strategy.combine,
        snapshot: graph,
        avoidLinks: new Set<string>(),
        source,
        maxHops: MAX_HOPS,
        keep: 2,
        leastArrival: 0,
      } as const
      const [best, second] = findPaths({ ...question, destination: home })
      const expected = cheapest(source, home, costs, strategy.combine, trust)
      t.true(
        Math.abs((best?.cost ?? Number.POSITIVE_INFINITY) - expected) < 1e-9 ||
          best?.cost === expected ||
          !best,
      )
      t.is(best === undefined, expected === Number.POSITIVE_INFINITY)
      // A destination that is only known when it is reached leads to the same.
      t.is(findPaths({ ...question, destination: null })[0]?.cost, best?.cost)
      if (!best) continue
      found += 1
      t.true(best.nodes.length <= MAX_HOPS + 1 && best.links.length === best.nodes.length - 1)
      t.is(new Set(best.nodes).size, best.nodes.length)
      t.true(second === undefined || second.cost >= best.cost)
      for (const { facts } of [...best.nodes, ...best.links]) t.true(mayPass(TENANT, facts.tenantId))
      for (const node of best.nodes.slice(1)) t.true(node.facts.up && node.facts.load.workerCpu < 0.85)
    }
  }
  t.true(found > 200, `${found} paths`)
})
