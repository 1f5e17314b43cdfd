import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import type { TelemetryReport } from '../../../common/wire/telemetry.ts'
import { type IntakeOptions, type Reporter, TelemetryIntake } from '../../../server/telemetry/intake.ts'
import { Seeded } from '../../policy/seeded.ts'
import { until } from '../../support/until.ts'
import { T0 } from '../topology/world.ts'

const reporter = (tenantId: string | null, key = 'node:n1'): Reporter => ({
  tenantId,
  key,
  kind: 'node',
  nodeId: 'n1',
})

function reports(count: number, from = 0): TelemetryReport[] {
  return Array.from({ length: count }, (_, index) => ({
    node_id: 'n1',
    rtt_ms: 1,
    jitter_ms: 1,
    loss: 0,
    bitrate_kbps: 1,
    queue_depth: from + index,
    at: T0,
  }))
}

/** An intake whose slices run when the test says so. */
function rig(options: Partial<IntakeOptions> = {}) {
  const applied: { tenantId: string | null; number: number; receivedAt: number }[] = []
  const outcomes = new Map<string, number>()
  const failures: unknown[] = []
  const work: (() => void)[] = []
  let refused = 0
  const intake = new TelemetryIntake({
    apply: ({ tenantId }, { queue_depth }, receivedAt) => {
      applied.push({ tenantId, number: queue_depth, receivedAt })
      return 'applied'
    },
    now: () => T0,
    counted: (slice) => {
      for (const [outcome, count] of slice) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count)
    },
    refused: () => {
      refused += 1
    },
    failed: (error) => failures.push(error),
    soon: (each) => work.push(each),
    ...options,
  })
  const step = () => {
    const [next] = work.splice(0, 1)
    next?.()
    return next !== undefined
  }
  const takes = (tenantId: string | null, batch: readonly TelemetryReport[]): boolean => {
    try {
      intake.accept(reporter(tenantId), batch)
      return true
    } catch (error) {
      if (error instanceof CodedError && error.code === 'telemetry_saturated') return false
      throw error
    }
  }
  return { intake, applied, outcomes, failures, work, step, takes, refused: () => refused }
}

test('reports are taken at once and evaluated later, in order', (t) => {
  const { intake, applied, outcomes, step, takes } = rig()
  t.true(takes('a', reports(130)))
  t.true(takes('a', reports(70, 130)))
  t.is(intake.waiting, 200)
  t.is(applied.length, 0)
  while (step()) {}
  t.is(intake.waiting, 0)
  t.deepEqual(
    applied.map(({ number }) => number),
    Array.from({ length: 200 }, (_, index) => index),
  )
  t.true(applied.every(({ receivedAt }) => receivedAt === T0))
  t.deepEqual([...outcomes], [['applied', 200]])
})

test('a full queue turns a batch away as a whole, and says when to come again', (t) => {
  const { intake, takes, refused, step } = rig({ capacity: 1000 })
  t.true(takes('a', reports(500)))
  t.false(takes('a', reports(1)), 'one tenant has half of it')
  t.true(takes('b', reports(300)))
  t.false(takes('c', reports(201)))
  t.is(intake.waiting, 800, 'nothing of a refused batch is taken')
  t.true(takes('c', reports(200)))
  const error = t.throws(() => intake.accept(reporter(null), reports(1)), { instanceOf: CodedError })
  t.is(error.status, 429)
  t.is(error.code, 'telemetry_saturated')
  const { retryAfterSeconds = 0 } = error.hints
  t.true(retryAfterSeconds >= 1 && retryAfterSeconds <= 30)
  t.is(refused(), 3)
  while (step()) {}
  t.true(takes('a', reports(500)), 'there is room again')
})

test('a slice ends when its time is over; the rest waits for its turn', (t) => {
  const busy = { now: 0 }
  const { intake, work, step, takes } = rig({
    sliceMs: 1,
    apply: () => {
      const end = performance.now() + 0.2
      while (performance.now() < end) busy.now += 1
      return 'applied'
    },
  })
  takes('a', reports(200))
  step()
  t.true(intake.waiting >= 150 && intake.waiting < 200, `${intake.waiting} wait`)
  t.is(work.length, 1, 'exactly one more slice is due')
})

test('a flood of one tenant does not hold up another', (t) => {
  const { applied, step, takes } = rig()
  takes('flood', reports(10_000))
  takes('calm', reports(20))
  while (step()) {}
  const last = applied.findLastIndex(({ tenantId }) => tenantId === 'calm')
  t.true(last < 200, `the calm tenant's last report was number ${last}`)
})

test('a report that breaks its reader breaks nothing else', (t) => {
  const { failures, outcomes, step, takes } = rig({
    apply: (_reporter, { queue_depth }) => {
      if (queue_depth % 10 === 3) throw new Error('bad one')
      return 'applied'
    },
  })
  takes('a', reports(100))
  while (step()) {}
  t.is(failures.length, 10)
  t.deepEqual(
    outcomes,
    new Map([
      ['applied', 90],
      ['failed', 10],
    ]),
  )
})

test('whatever comes, the queue stays in its bounds and loses nothing it took', (t) => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = new Seeded(seed)
    const capacity = random.int(50, 3000)
    const { intake, applied, step, takes } = rig({ capacity, sliceMs: 0.05 })
    const tenants = ['a', 'b', 'c', null]
    const taken = new Map<string | null, number>()
    let offered = 0
    for (let round = 0; round < 300; round += 1) {
      if (random.chance(0.3)) step()
      const tenantId = random.pick(tenants)
      const batch = reports(random.int(1, Math.min(1000, capacity)), offered)
      const before = intake.waiting
      const took = takes(tenantId, batch)
      t.is(intake.waiting, before + (took ? batch.length : 0), 'all or nothing')
      t.true(intake.waiting <= capacity && intake.waiting >= 0)
      if (took) taken.set(tenantId, (taken.get(tenantId) ?? 0) + batch.length)
      offered += batch.length
    }
    while (step()) {}
    t.is(intake.waiting, 0)
    for (const tenantId of tenants) {
      const numbers = applied.filter((each) => each.tenantId === tenantId).map(({ number }) => number)
      t.is(numbers.length, taken.get(tenantId) ?? 0)
      t.true(
        numbers.every((number, index) => index === 0 || number > numbers[index - 1]!),
        'in order',
      )
    }
  }
})

test('on a real event loop, others are served while a flood is evaluated', async (t) => {
  let applied = 0
  using intake = new TelemetryIntake({
    apply: () => {
      const end = performance.now() + 0.01
      while (performance.now() < end);
      applied += 1
      return 'applied'
    },
    now: Date.now,
    counted: () => {},
    refused: () => {},
    failed: (error) => t.fail(String(error)),
  })
  for (let batch = 0; batch < 10; batch += 1) intake.accept(reporter('a'), reports(1000))
  let turns = 0
  const timer = setInterval(() => {
    turns += 1
  }, 1)
  await until(() => applied === 10_000, 'all reports')
  clearInterval(timer)
  t.true(turns > 10, `timers fired ${turns} times during 100 ms of work`)
})

test('what is closed takes nothing', (t) => {
  const { intake, takes } = rig()
  takes('a', reports(5))
  intake[Symbol.dispose]()
  t.is(intake.waiting, 0)
  t.false(takes('a', reports(1)))
})
