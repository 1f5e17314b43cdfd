import type { LinkFacts, NodeFacts } from '../../policy/paths/graph.ts'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { link, node, report, T0 } from './makers.ts'
import type { Seeded } from './seeded.ts'

export interface RandomOverlay {
  readonly nodes: readonly NodeFacts[]
  readonly links: readonly LinkFacts[]
  /** Puts everything into a graph, in an order of its own, with the same reports each time. */
  build(order: Seeded): TopologyGraph
}

/** A small overlay of several tenants with everything that can go wrong in it. */
export function randomOverlay(random: Seeded, tenants: readonly string[]): RandomOverlay {
  const nodes: NodeFacts[] = [node('hub-1', 'hub')]
  const add = (role: NodeFacts['role'], count: number) => {
    for (let index = 1; index <= count; index += 1) {
      const owner = role === 'sender' ? random.pick(tenants) : random.pick([null, null, ...tenants])
      nodes.push(
        node(`${role}-${index}`, role, {
          tenantId: owner,
          up: random.chance(0.95),
          reputation: random.next(),
          region: random.pick([null, 'eu', 'us']),
          load: { workerCpu: random.next() * 0.95, flows: 0, kbps: 0 },
        }),
      )
    }
  }
  add('edge', random.int(1, 4))
  add('relay', random.int(0, 2))
  add('access-point', random.int(0, 2))
  add('sender', random.int(1, 4))
  const links: LinkFacts[] = []
  for (let index = 0; index < random.int(6, 40); index += 1) {
    const [from, to] = [random.pick(nodes), random.pick(nodes)]
    const owners = [from.tenantId, to.tenantId].filter((owner) => owner !== null)
    const tenantId = owners[0] ?? random.pick([null, null, ...tenants])
    if (from === to || (owners.length === 2 && owners[0] !== owners[1])) continue
    const capacityKbps = random.pick([null, 300, 5000, 100_000])
    const medium = random.pick(['wired', 'wifi', 'cellular'] as const)
    links.push(link(`l${index}`, from.nodeId, to.nodeId, { tenantId, capacityKbps, medium }))
  }
  const reports = links.map(() =>
    random.chance(0.2)
      ? []
      : [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((secondsAgo) =>
          report(T0 - 1000 * secondsAgo, {
            rttMs: random.pick([2, 10, 10, 40, 200]),
            loss: random.pick([0, 0, 0.01, 0.2]),
            bitrateKbps: random.pick([0, 500, 4000]),
            deliveredPackets: random.pick([100, 100, 100, 100, 100, 100, 100, 0, null]),
          }),
        ),
  )
  const build = (order: Seeded) => {
    const graph = new TopologyGraph()
    for (const facts of order.shuffled(nodes)) graph.putNode(facts)
    for (const [index, facts] of order.shuffled([...links.entries()])) {
      graph.putLink(facts)
      for (const each of reports[index] ?? []) graph.observe(facts.tenantId, facts.from, facts.linkId, each)
    }
    return graph
  }
  return { nodes, links, build }
}
