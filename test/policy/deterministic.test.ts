import test from 'ava'
import { type LinkFacts, type NodeFacts, type PortTiming, TopologyGraph } from '../../policy/paths/graph.ts'
import { ask, link, node, proves, T0, TENANT } from './makers.ts'

const WIRE = { mode: 'deterministic-wired' } as const
const PORT = { hardware: true, synchronised: true, scheduled: true, pacing: 'fq' } as const

/** A sender with wired links to a hub. */
const wired = ({
  links = { eth0: {} },
  sender = {},
  hub = {},
}: {
  links?: Record<string, Partial<LinkFacts>>
  sender?: Partial<NodeFacts>
  hub?: Partial<NodeFacts>
} = {}) => {
  const graph = new TopologyGraph()
  graph.putNode(node('hub-1', 'hub', { ptp: true, tsn: true, ...hub }))
  graph.putNode(node('sender-1', 'sender', { ptp: true, tsn: true, ...sender }))
  for (const [linkId, more] of Object.entries(links)) {
    const facts = link(linkId, 'sender-1', 'hub-1', { tenantId: TENANT, tsn: true, medium: 'wired', ...more })
    graph.putLink(facts)
    proves(graph, facts, T0)
  }
  return graph
}

test('deterministic-wired needs PTP and TSN all the way, and a refusal names what is missing', (t) => {
  const wanted = ask(wired(), { request: { intent: WIRE } })
  t.true(wanted.outcome === 'grant' && wanted.mode === 'deterministic-wired' && wanted.pacing.burst_ms === 1)
  const timed = { timed: true, ptp: false, tsn: false }
  const refused: readonly [Parameters<typeof wired>[0], string][] = [
    [{ sender: { ptp: false } }, 'the node has no PTP clock'],
    [{ hub: { ptp: false } }, 'the node has no PTP clock'],
    [{ sender: { tsn: false } }, 'the node has no TSN'],
    [{ links: { eth0: { tsn: false } } }, 'link eth0: it has no TSN'],
    [{ links: { eth0: { medium: 'wifi' } } }, 'link eth0: it is not wired'],
    [
      { links: { eth0: { tsn: false }, lte: { medium: 'cellular' } } },
      'link eth0: it has no TSN; link lte: it is not wired',
    ],
    [
      { sender: timed, links: { eth0: { timing: { ...PORT, hardware: false } } } },
      'link eth0: its port has no PTP clock',
    ],
    [
      { sender: timed, links: { eth0: { timing: { ...PORT, synchronised: false } } } },
      'link eth0: the PTP clock of its port is not synchronised',
    ],
    [
      { sender: timed, links: { eth0: { tsn: false, timing: { ...PORT, scheduled: false } } } },
      'link eth0: it has no TSN',
    ],
  ]
  for (const [how, words] of refused) {
    const answer = ask(wired(how), { request: { intent: WIRE } })
    const said = answer.outcome === 'refuse' ? answer.refusal.message : answer.outcome
    t.is(said, `deterministic-wired is not possible: ${words}`)
  }
  const unfit = wired({ links: { eth0: { tsn: false } } })
  t.is(ask(unfit).outcome, 'grant', 'nobody demands it')
  const paths = { deterministic: ['focus' as const] }
  t.is(ask(unfit, { policy: { paths, admission: { downgrade: false } } }).outcome, 'refuse')
  // Demanded by the class only, a lesser class may go without.
  const lowered = ask(unfit, { policy: { paths } })
  t.true(lowered.outcome === 'downgrade' && lowered.class === 'director')
})

test('a deterministic flow takes no link that does not fit, and its contract says who spreads its packets', (t) => {
  const timed = { timed: true, ptp: false, tsn: false }
  const asked = (links: Record<string, Partial<LinkFacts>>) => {
    const answer = ask(wired({ sender: timed, links }), { request: { intent: WIRE } })
    if (answer.outcome === 'refuse') return answer.refusal.message
    return [answer.pacing.by, ...answer.overlay.bindings.map(({ link_id }) => link_id).sort()].join(' ')
  }
  const port = (more: Partial<PortTiming>) => ({ tsn: false, timing: { ...PORT, ...more } })
  t.is(asked({ eth0: port({}), eth1: port({}) }), 'fq eth0 eth1')
  t.is(asked({ eth0: port({}), eth1: port({ pacing: 'agent' }) }), 'agent eth0 eth1')
  t.is(asked({ eth0: port({ pacing: 'txtime' }), eth1: port({ synchronised: false }) }), 'txtime eth0')
  t.is(asked({ eth0: port({ synchronised: false }), lte: { medium: 'cellular' }, eth1: port({}) }), 'fq eth1')
  t.is(asked({ eth0: {} }), 'deterministic-wired is not possible: link eth0: its port has no PTP clock')
  const declared = ask(wired(), { request: { intent: WIRE } })
  t.true(
    declared.outcome === 'grant' && declared.pacing.by === 'agent',
    'a node that tells nothing is what was declared',
  )
  const other = ask(wired(), {})
  t.true(other.outcome === 'grant' && other.pacing.by === undefined)
})
