import test from 'ava'
import type { LinkObservation } from '../../../policy/evidence.ts'
import { LINK_WATCH_RULES, type LinkChange, LinkWatch } from '../../../server/topology/link-watch.ts'
import { Seeded } from '../../policy/seeded.ts'
import { dead, good, T0, TENANT, world } from './world.ts'

/** A watched link that reports each second what `report` says, looked at five times a second. */
function watched() {
  const topology = world()
  const watch = new LinkWatch()
  const told: { change: LinkChange; at: number }[] = []
  let now = T0
  return {
    watch,
    told,
    run(forMs: number, report: ((at: number) => LinkObservation) | null) {
      for (const end = now + forMs; now < end; ) {
        now += 200
        if (report && (now - T0) % 1000 === 0) topology.observe(TENANT, 'sender-1', 'lte-1', report(now))
        const change = watch.look(topology.link(TENANT, 'sender-1', 'lte-1')!, now)
        if (change) told.push({ change, at: now - T0 })
      }
    },
    changes: () => told.map(({ change }) => change),
  }
}
const congested = (at: number) => good(at, { loss: 0.12, queueDepth: 200 })

test('a link is down by evidence, at once, and back once it is trusted again', (t) => {
  const link = watched()
  link.run(10_000, good)
  t.deepEqual(link.told, [])
  link.run(2000, dead)
  t.deepEqual(link.told, [{ change: 'down', at: 11_000 }])
  link.run(4000, good)
  t.deepEqual(link.changes(), ['down'], 'it answers, and is still being probed')
  link.run(20_000, good)
  t.deepEqual(link.changes(), ['down', 'back'])
})

test('a link that falls silent is down', (t) => {
  const link = watched()
  link.run(5000, good)
  link.run(20_000, null)
  t.deepEqual(link.changes(), ['down'])
})

test('congestion is believed when it lasts, told again while it lasts, and relieved with patience', (t) => {
  const link = watched()
  link.run(5000, good)
  link.run(1000, congested)
  link.run(2000, good)
  t.deepEqual(link.changes(), [], 'one bad report is none')
  link.run(10_000, congested)
  t.is(link.told[0]?.at, 10_000)
  t.deepEqual(link.changes(), ['congested', 'congested', 'congested'])
  link.run(4000, good)
  t.true(link.watch.congested)
  link.run(10_000, good)
  t.is(link.changes().at(-1), 'relieved')
})

test('who relapses waits longer for relief each time', (t) => {
  const link = watched()
  link.run(5000, good)
  const reliefs: number[] = []
  for (let round = 0; round < 4; round += 1) {
    link.run(4000, congested)
    t.true(link.watch.congested)
    let waited = 0
    for (; link.watch.congested && waited < 200_000; waited += 1000) link.run(1000, good)
    reliefs.push(waited)
  }
  for (const [index, waited] of reliefs.entries()) if (index > 0) t.true(waited > 1.5 * reliefs[index - 1]!)
})

test('figures that jump about tell no more than so many changes', (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = new Seeded(seed)
    const link = watched()
    link.run(5000, good)
    link.run(300_000, (at) => (random.chance(0.5) ? congested(at) : good(at)))
    const turns = link.changes().filter((change) => change === 'relieved').length
    t.true(turns <= 300_000 / LINK_WATCH_RULES.relievedForMs / 4, `${turns} turns`)
  }
})
