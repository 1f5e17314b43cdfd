import test from 'ava'
import { STREAM_CLASSES } from '../../../common/wire/stream.ts'
import {
  QOS_CAUSES,
  QUEUE_RULES,
  type Request,
  TriggerQueue,
} from '../../../server/topology/trigger-queue.ts'
import { Seeded } from '../../policy/seeded.ts'
import { T0 } from './world.ts'

const of = (contractId: string, tenantId = 'a', streamClass: Request['streamClass'] = 'focus'): Request => ({
  contractId,
  tenantId,
  streamClass,
})

test('what happens to a flow within a moment is one look, most pressing cause first', (t) => {
  const queue = new TriggerQueue()
  queue.request(of('c1'), 'congestion', T0)
  queue.request(of('c1'), 'better_path', T0 + 1)
  queue.request(of('c1'), 'link_down', T0 + 2)
  t.is(queue.waiting, 1)
  t.deepEqual(queue.take(T0 + 40), [])
  t.deepEqual(
    queue.take(T0 + 52).map(({ causes }) => causes),
    [['link_down', 'congestion', 'better_path']],
  )
  queue.request(of('c1'), 'link_down', T0 + 60)
  t.deepEqual(queue.take(T0 + 400), [], 'it is being looked at')
  queue.done('c1', false, T0 + 400)
  t.deepEqual(queue.take(T0 + 400), [])
  t.is(queue.take(T0 + 700).length, 1)
})

test('a look that failed is not repeated at once', (t) => {
  const queue = new TriggerQueue()
  let now = T0
  const waits: number[] = []
  queue.request(of('c1'), 'link_down', now)
  for (let round = 0; round < 8; round += 1) {
    const from = now
    while (queue.take(now).length === 0) now += 50
    waits.push(now - from)
    queue.done('c1', true, now)
    queue.request(of('c1'), 'link_down', now)
  }
  t.deepEqual(waits.slice(1), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
})

test('tenants take turns, and looks that can wait have a rate', (t) => {
  const queue = new TriggerQueue()
  for (let index = 0; index < 500; index += 1) queue.request(of(`f${index}`, 'flood'), 'better_path', T0)
  for (let index = 0; index < 5; index += 1) queue.request(of(`c${index}`, 'calm'), 'better_path', T0)
  let [now, looks] = [T0 + 500, 0]
  let calmDone = 0
  const end = now + 2000
  for (; now < end; now += 100) {
    for (const { contractId, tenantId } of queue.take(now)) {
      looks += 1
      if (tenantId === 'calm') calmDone = now - T0 - 500
      queue.done(contractId, false, now)
    }
  }
  t.true(calmDone > 0 && calmDone <= 500, `the calm tenant was served after ${calmDone} ms`)
  t.true(
    looks <= 3 * QUEUE_RULES.perSecond.other && looks >= 2 * QUEUE_RULES.perSecond.other,
    `${looks} looks`,
  )
})

test('what broke is mended for the best class first; what must give way begins with the least', (t) => {
  const order = (cause: 'link_down' | 'congestion') => {
    const queue = new TriggerQueue()
    for (const name of ['record', 'focus', 'bulk', 'director'] as const)
      queue.request(of(name, 'a', name), cause, T0)
    return queue.take(T0 + 1000).map(({ contractId }) => contractId)
  }
  t.deepEqual(order('link_down'), [...STREAM_CLASSES])
  t.deepEqual(order('congestion'), STREAM_CLASSES.toReversed())
})

test('whatever is asked, the bounds hold and everything has its turn', (t) => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = new Seeded(seed)
    const queue = new TriggerQueue()
    const flows = Array.from({ length: random.int(1, 60) }, (_, index) =>
      of(`c${index}`, `t${index % 4}`, random.pick(STREAM_CLASSES)),
    )
    const running = new Map<string, number>()
    const lookedAt = new Map<string, number>()
    let now = T0
    for (let round = 0; round < 400; round += 1) {
      now += random.int(10, 200)
      for (let asked = random.int(0, 5); asked > 0; asked -= 1)
        queue.request(random.pick(flows), random.pick(QOS_CAUSES), now)
      for (const { contractId, causes } of queue.take(now)) {
        t.true(causes.length > 0)
        t.false(running.has(contractId), 'never twice at once')
        t.true(now - (lookedAt.get(contractId) ?? 0) >= QUEUE_RULES.gapMs.urgent)
        running.set(contractId, now + random.int(0, 500))
      }
      for (const [contractId, until] of running) {
        if (until > now) continue
        running.delete(contractId)
        lookedAt.set(contractId, now)
        queue.done(contractId, false, now)
      }
      t.true(queue.running <= QUEUE_RULES.running)
      t.true(queue.waiting <= flows.length)
    }
    for (const contractId of running.keys()) queue.done(contractId, false, now)
    for (const end = now + 60_000; now < end && queue.waiting > 0; now += 100)
      for (const { contractId } of queue.take(now)) queue.done(contractId, false, now)
    t.is(queue.waiting, 0)
  }
})
