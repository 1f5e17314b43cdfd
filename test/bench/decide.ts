import type { StreamClass } from '../../common/wire/stream.ts'
import { decide as decideOne } from '../../policy/decide.ts'
import { effectivePolicy } from '../../policy/effective.ts'
import type { DecisionFacts } from '../../policy/facts.ts'
import { TopologyGraph } from '../../policy/paths/graph.ts'
import { facts, link, node, principal, proves, request, T0 } from '../policy/makers.ts'
import { Seeded } from '../policy/seeded.ts'
import { percentile } from '../support/frame-reader.ts'
import { type Bench, rounded } from './bench.ts'

const TENANTS = 20
const LINKS_PER_NODE = 10
const DECISIONS = 2000
const WARM_UP = 500
const CLASSES: readonly StreamClass[] = ['focus', 'director', 'record', 'bulk']

/** Decisions about new, watched and rerouted streams on overlays of growing size, every link measured. */
export const decide: Bench = {
  about: 'policy decisions per second, by size of the topology',
  async run({ progress }) {
    const scaling = []
    for (const links of [2500, 5000, 10_000, 20_000]) {
      progress.say(`${links} links`)
      const overlay = makeOverlay(links)
      measure(overlay, WARM_UP)
      const times = measure(overlay, DECISIONS)
      const at = (share: number) => rounded(percentile(times, share), 3)
      const perSecond = rounded((1000 * times.length) / times.reduce((sum, ms) => sum + ms, 0), 0)
      scaling.push({
        nodes: links / LINKS_PER_NODE,
        links,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        per_second: perSecond,
      })
    }
    const { nodes, links, p50_ms, p99_ms, per_second } = scaling.find((each) => each.links === 10_000)!
    return {
      bench: 'decide',
      nodes,
      links,
      p50_ms,
      p99_ms,
      per_second,
      scaling: scaling.map((each) => ({ links: each.links, p50_ms: each.p50_ms, p99_ms: each.p99_ms })),
    }
  },
}

interface Overlay {
  readonly graph: TopologyGraph
  readonly senders: readonly string[]
  readonly hubs: readonly string[]
  readonly random: Seeded
}

/** Per 1000 nodes: 20 hubs, 100 edges, 80 relays, 100 access points and 700 senders with four uplinks each. */
function makeOverlay(linkCount: number): Overlay {
  const random = new Seeded(linkCount)
  const graph = new TopologyGraph()
  const count = linkCount / LINKS_PER_NODE
  const named = (role: Parameters<typeof node>[1], share: number) =>
    Array.from({ length: Math.round(count * share) }, (_, index) => {
      const nodeId = `${role}-${index}`
      const tenantId = role === 'sender' ? tenantOf(nodeId) : null
      graph.putNode(node(nodeId, role, { tenantId, reputation: 0.8 + 0.2 * random.next() }))
      return nodeId
    })
  const hubs = named('hub', 0.02)
  const edges = named('edge', 0.1)
  const relays = named('relay', 0.08)
  const points = named('access-point', 0.1)
  const senders = named('sender', 0.7)
  const mesh = [...hubs, ...edges, ...relays]
  let made = 0
  const join = (from: string, to: string, tenantId: string | null) => {
    const facts = link(`l${made}`, from, to, { tenantId, capacityKbps: random.int(20_000, 1_000_000) })
    if (!graph.putLink(facts)) return
    made += 1
    const rttMs = random.int(2, 80)
    proves(graph, facts, T0, { rttMs, jitterMs: rttMs / 10, loss: random.next() * 0.02 })
  }
  for (const sender of senders) {
    for (let uplink = 0; uplink < 4; uplink += 1) {
      join(sender, random.pick(random.chance(0.5) ? points : mesh), tenantOf(sender))
    }
  }
  for (const point of points) {
    for (let uplink = 0; uplink < 3; uplink += 1) join(point, random.pick(mesh), null)
  }
  while (made < linkCount) join(random.pick(mesh), random.pick(mesh), null)
  return { graph, senders, hubs, random }
}

const tenantOf = (sender: string): string => `tenant-${Number(sender.split('-')[1]) % TENANTS}`

/** Decides again and again; answers with the time of each decision, ms. */
function measure({ graph, senders, hubs, random }: Overlay, count: number): number[] {
  const policies = new Map(
    Array.from({ length: TENANTS }, (_, index) => [
      `tenant-${index}`,
      effectivePolicy(`tenant-${index}`, {}, 1),
    ]),
  )
  const times: number[] = []
  for (let done = 0; done < count; done += 1) {
    const sender = random.pick(senders)
    const tenant_id = tenantOf(sender)
    const action = random.pick(['publish', 'subscribe', 'reroute'] as const)
    const { node_id: _, ...asked } = request({ action, tenant_id, class: random.pick(CLASSES) })
    const full = action === 'subscribe' ? asked : { ...asked, node_id: sender }
    const home = random.pick(hubs)
    const known = facts(graph, {
      stream: { tenantId: tenant_id, streamId: asked.stream_id, homeNodeId: home, upstream: null },
      ...(action === 'reroute' ? { current: currentOf(graph, tenant_id, sender, home) } : {}),
    })
    const question = { principal: principal({ tenant_id }), request: full }
    const policy = policies.get(tenant_id)!
    const from = performance.now()
    const decision = decideOne(question, known, policy, T0)
    times.push(performance.now() - from)
    if (decision.outcome === 'refuse') throw new Error(`refused: ${decision.reasons.join('; ')}`)
  }
  return times
}

/** A flow that runs over the first link it found. */
function currentOf(
  graph: TopologyGraph,
  tenant: string,
  sender: string,
  home: string,
): DecisionFacts['current'] {
  const arc = graph.node(tenant, sender)!.arcs[0]!
  return {
    nodes: [sender, arc.to.facts.nodeId, home],
    links: [arc.link.facts.linkId, 'l0'],
    bindings: [],
    kbps: 3000,
    history: { switched_at: T0 - 60_000, better_since: T0 - 10_000 },
  }
}
