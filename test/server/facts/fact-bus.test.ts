import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { type Fact, FactBus, type Missed } from '../../../server/facts/fact-bus.ts'
import { Seeded } from '../../policy/seeded.ts'

type Body = { readonly kind: 'a'; readonly n: number } | { readonly kind: 'b'; readonly n: number }

function rig() {
  const told: string[] = []
  let now = 1000
  const bus = new FactBus<Body>({
    missed: (listener, tenantId, { count, from }) =>
      told.push(`${listener} of ${tenantId} missed ${count} from ${from}`),
    failed: (listener, error) => told.push(`${listener}: ${error}`),
    clock: { wall: () => now },
  })
  return { bus, told, tick: (ms: number) => (now += ms) }
}

/** Hears all, and takes only when it is let. */
function slow() {
  const heard: (Fact<Body> | Missed)[] = []
  let letGo = () => {}
  return {
    heard,
    seqs: () => heard.flatMap((each) => ('seq' in each ? [each.seq] : [])),
    next() {
      letGo()
      return setImmediate()
    },
    take(facts: readonly Fact<Body>[], missed: Missed | null) {
      if (missed) heard.push(missed)
      heard.push(...facts)
      return new Promise<void>((resolve) => {
        letGo = resolve
      })
    },
  }
}

test('a fact carries its tenant, number and time, and is heard after its teller went on', async (t) => {
  const { bus, tick } = rig()
  const heard: Fact<Body>[] = []
  bus.subscribe({
    name: 'one',
    of: 'all',
    kinds: ['a'],
    capacity: 10,
    take: (facts) => void heard.push(...facts),
  })
  bus.tell('t1', { kind: 'a', n: 1 })
  tick(5)
  bus.tell('t1', { kind: 'b', n: 2 })
  bus.tell('t1', { kind: 'a', n: 3 })
  bus.tell(null, { kind: 'a', n: 4 })
  t.deepEqual(heard, [])
  await setImmediate()
  t.deepEqual(heard, [
    { tenantId: 't1', seq: 1, at: 1000, body: { kind: 'a', n: 1 } },
    { tenantId: 't1', seq: 3, at: 1005, body: { kind: 'a', n: 3 } },
    { tenantId: null, seq: 1, at: 1005, body: { kind: 'a', n: 4 } },
  ])
  t.is(bus.seq('t1'), 3)
  t.is(bus.seq('t2'), 0)
})

test('a slow listener gets the newest facts, and is told which ones it missed', async (t) => {
  const { bus, told } = rig()
  const console = slow()
  bus.subscribe({ name: 'console', of: { tenantId: 't1' }, kinds: ['a', 'b'], capacity: 3, ...console })
  bus.tell('t1', { kind: 'a', n: 0 })
  await setImmediate()
  for (let n = 1; n <= 10; n += 1) bus.tell('t1', { kind: 'a', n })
  t.deepEqual([...bus.waiting()], [['console', 3]])
  t.deepEqual(console.seqs(), [1])
  await console.next()
  t.deepEqual(console.heard[1], { count: 7, from: 2 })
  t.deepEqual(console.seqs(), [1, 9, 10, 11])
  t.deepEqual(told, ['console of t1 missed 7 from 2'])
  bus.tell('t1', { kind: 'b', n: 0 })
  await console.next()
  t.deepEqual(console.seqs(), [1, 9, 10, 11, 12])
  t.is(told.length, 1)
})

test('no tenant hears, or displaces, the facts of another', async (t) => {
  const { bus, told } = rig()
  const hub = slow()
  const own: Fact<Body>[] = []
  bus.subscribe({ name: 'hub', of: 'all', kinds: ['a'], capacity: 2, ...hub })
  bus.subscribe({
    name: 'own',
    of: { tenantId: 't1' },
    kinds: ['a'],
    capacity: 100,
    take: (facts) => void own.push(...facts),
  })
  bus.tell('t1', { kind: 'a', n: 0 })
  bus.tell(null, { kind: 'a', n: 0 })
  for (let n = 0; n < 50; n += 1) bus.tell('t2', { kind: 'a', n })
  await setImmediate()
  t.deepEqual(
    own.map(({ tenantId, seq }) => `${tenantId} ${seq}`),
    ['t1 1'],
  )
  // The flood of t2 cost t2 alone.
  t.deepEqual(told, ['hub of t2 missed 48 from 1'])
  t.deepEqual(hub.heard.flatMap((each) => ('seq' in each ? [`${each.tenantId} ${each.seq}`] : [])).sort(), [
    'null 1',
    't1 1',
    't2 49',
    't2 50',
  ])
})

test('a listener that hangs or throws holds up nobody, and goes on itself', async (t) => {
  const { bus, told } = rig()
  const heard: number[] = []
  const broken: number[] = []
  bus.subscribe({
    name: 'hangs',
    of: 'all',
    kinds: ['a'],
    capacity: 1,
    take: () => new Promise<void>(() => {}),
  })
  bus.subscribe({
    name: 'throws',
    of: 'all',
    kinds: ['a'],
    capacity: 10,
    take(facts) {
      broken.push(...facts.map(({ body }) => body.n))
      throw new Error(`no ${broken.at(-1)}`)
    },
  })
  bus.subscribe({
    name: 'rejects',
    of: 'all',
    kinds: ['a'],
    capacity: 10,
    take: () => Promise.reject(new Error('never')),
  })
  bus.subscribe({
    name: 'good',
    of: 'all',
    kinds: ['a'],
    capacity: 10,
    take: (facts) => void heard.push(...facts.map(({ body }) => body.n)),
  })
  for (const n of [1, 2, 3]) {
    t.notThrows(() => bus.tell('t1', { kind: 'a', n }))
    await setImmediate()
  }
  t.deepEqual(heard, [1, 2, 3])
  t.deepEqual(broken, [1, 2, 3])
  t.is(told.filter((line) => line === 'rejects: Error: never').length, 3)
  t.true(told.includes('throws: Error: no 2'))
})

test('a listener that ends hears nothing new, after what waited or at once', async (t) => {
  const { bus } = rig()
  const [patient, gone] = [slow(), slow()]
  const ending = bus.subscribe({
    name: 'patient',
    of: { tenantId: 't1' },
    kinds: ['a'],
    capacity: 9,
    ...patient,
  })
  const cut = bus.subscribe({ name: 'gone', of: { tenantId: 't1' }, kinds: ['a'], capacity: 9, ...gone })
  bus.tell('t1', { kind: 'a', n: 1 })
  await setImmediate()
  bus.tell('t1', { kind: 'a', n: 2 })
  let ended = false
  const end = ending[Symbol.asyncDispose]().then(() => {
    ended = true
  })
  cut.end()
  bus.tell('t1', { kind: 'a', n: 3 })
  await Promise.all([patient.next(), gone.next()])
  t.deepEqual(patient.seqs(), [1, 2])
  t.deepEqual(gone.seqs(), [1])
  t.false(ended)
  await patient.next()
  await end
  t.deepEqual([...bus.waiting()], [])
})

test('a listener may tell, subscribe and end while it takes', async (t) => {
  const { bus } = rig()
  const heard: string[] = []
  const first = bus.subscribe({
    name: 'first',
    of: 'all',
    kinds: ['a'],
    capacity: 9,
    take([fact]) {
      heard.push(`first ${fact?.body.n}`)
      bus.subscribe({
        name: 'second',
        of: 'all',
        kinds: ['a', 'b'],
        capacity: 9,
        take: ([other]) => void heard.push(`second ${other?.body.n}`),
      })
      first.end()
      bus.tell('t1', { kind: 'b', n: 2 })
    },
  })
  bus.tell('t1', { kind: 'a', n: 1 })
  await setImmediate()
  t.deepEqual(heard, ['first 1', 'second 2'])
})

test('whatever the pace, each listener hears its facts in order, and each gap by its true size', async (t) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = new Seeded(seed)
    const { bus } = rig()
    const tenants = ['t1', 't2', null]
    const listeners = Array.from({ length: 6 }, (_, index) => {
      const last = new Map<string | null, number>()
      const waiting = new Set<() => void>()
      const mine = index % 2 === 0 ? ('all' as const) : { tenantId: tenants[index % 3]! }
      bus.subscribe({
        name: `l${index}`,
        of: mine,
        kinds: ['a', 'b'],
        capacity: random.int(1, 5),
        take(facts, missed) {
          const { tenantId } = facts[0]!
          let before = last.get(tenantId) ?? 0
          if (missed) {
            t.is(missed.from, before + 1)
            before += missed.count
          }
          for (const fact of facts) {
            t.true(mine === 'all' || mine.tenantId === fact.tenantId)
            t.is(fact.tenantId, tenantId)
            before += 1
            t.is(fact.seq, before)
          }
          last.set(tenantId, before)
          if (random.chance(0.2)) throw new Error('now and then')
          if (random.chance(0.3)) return
          return new Promise<void>((resolve, reject) => {
            waiting.add(() => (random.chance(0.2) ? reject(new Error('late')) : resolve()))
          })
        },
      })
      return { mine, last, waiting }
    })
    const letGo = (every: boolean) => {
      for (const { waiting } of listeners)
        for (const go of [...waiting])
          if (every || random.chance(0.5)) {
            waiting.delete(go)
            go()
          }
    }
    for (let round = 0; round < 150; round += 1) {
      if (random.chance(0.8))
        bus.tell(tenants[random.int(0, 2)]!, { kind: random.chance(0.5) ? 'a' : 'b', n: round })
      if (random.chance(0.2)) letGo(false)
      if (random.chance(0.3)) await setImmediate()
    }
    for (let round = 0; round < 20; round += 1) {
      letGo(true)
      await setImmediate()
    }
    for (const { mine, last } of listeners)
      for (const tenantId of mine === 'all' ? tenants : [mine.tenantId])
        t.is(last.get(tenantId) ?? 0, bus.seq(tenantId), `seed ${seed}`)
    t.true([...bus.waiting().values()].every((count) => count === 0))
  }
})
