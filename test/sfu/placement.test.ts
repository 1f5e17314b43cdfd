import test from 'ava'
import { Placement } from '../../sfu/placement.ts'
import type { WorkerSlot } from '../../sfu/worker-pool.ts'

const ROOM = 100

/** Placement on workers that carry what `carried` says, by index. */
function over(carried: { consumers?: number; cpu?: number; lanes?: number }[], away = 0) {
  const slots = carried.map((_, index) => ({ index, worker: { index } }) as unknown as WorkerSlot)
  const of = (key: unknown) => carried[(key as { index: number }).index]!
  const placement = new Placement({
    size: slots.length + away,
    slots: () => slots,
    census: { consumersOn: (worker) => of(worker).consumers ?? 0 },
    cpuOf: (slot) => of(slot).cpu ?? 0,
    consumersPerWorker: ROOM,
  })
  const viewer = (...has: number[]) => placement.takeForViewer(({ index }) => has.includes(index))
  const lane = () => placement.forLane((slot) => of(slot).lanes ?? 0)?.index
  return { placement, slots, viewer, lane }
}

test('a lane goes where lanes, consumers and CPU together are least', (t) => {
  const to = (...carried: Parameters<typeof over>[0]) => over(carried).lane()
  t.is(to({ lanes: 2 }, { lanes: 1 }, { lanes: 3 }), 1)
  t.is(to({ lanes: 1 }, { consumers: 30 }), 0)
  t.is(to({ lanes: 3 }, { lanes: 1, cpu: 0.1 }), 1)
  t.is(to({ lanes: 1 }, { cpu: 0.5 }), 0)
  t.is(to({ cpu: 0.99, consumers: ROOM }), 0, 'also where all are full: it has no viewer yet')
  t.is(to(), undefined)
})

test('viewers stay with their stream until another worker is clearly less loaded', (t) => {
  const { viewer } = over([{}, {}])
  const first = Array.from({ length: 12 }, () => viewer(0).slot.index)
  t.deepEqual(new Set(first), new Set([0]))
  t.is(viewer(0).slot.index, 0)
  t.is(viewer(0).slot.index, 1, 'the pipe pays for itself')
  const rest = Array.from({ length: 40 }, () => viewer(0, 1).slot.index)
  const onFirst = rest.filter((index) => index === 0).length
  t.true(onFirst > 10 && onFirst < 30, `${onFirst} of 40 on the first`)
  t.is(over([{ cpu: 0.5 }, {}]).viewer(0).slot.index, 1)
})

test('places count before their consumers are there, and go back once', (t) => {
  const { placement, viewer, slots } = over([{}])
  const places = Array.from({ length: ROOM / 2 }, () => viewer())
  t.is(placement.viewersOn(slots[0]!), ROOM / 2)
  t.throws(() => viewer(), { code: 'saturated' })
  places[0]![Symbol.dispose]()
  places[0]![Symbol.dispose]()
  t.is(placement.viewersOn(slots[0]!), ROOM / 2 - 1)
  t.notThrows(() => viewer())
  t.throws(() => viewer(), { code: 'saturated' })
})

test('full workers get nobody, and the refusal says what is full', (t) => {
  const { viewer } = over([{ consumers: 99 }, { cpu: 0.84 }])
  t.is(viewer(0).slot.index, 1)
  const { placement, viewer: refused } = over([{ consumers: 99 }, { cpu: 0.9 }])
  const error = t.throws(() => refused(), { code: 'saturated' }) as Error & {
    details: string[]
    status: number
  }
  t.is(error.status, 503)
  t.regex(error.details.join(), /worker 0: 99 of 100 consumers.*worker 1: 90 % of a core/)
  t.is(placement.saturation()?.resource, 'worker_consumers')
  t.is(over([{ consumers: 98 }]).placement.saturation(), null)
  const restarting = over([{ consumers: 99 }], 1)
  t.throws(() => restarting.viewer(), { code: 'no_worker' })
  t.is(restarting.placement.saturation(), null, 'a worker that restarts is no want of room')
})
