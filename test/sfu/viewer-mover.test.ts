import test from 'ava'
import type { Place } from '../../sfu/placement.ts'
import { type MovableViewer, ViewerMover } from '../../sfu/viewer-mover.ts'
import type { WorkerSlot } from '../../sfu/worker-pool.ts'

const ROOM = 20

/** A mover over two workers that looks when told. The test sets the loads, and `pass` moves the time. */
function overTwo(loads: [number, number] = [0.9, 0]) {
  const state = { now: 1_000_000, loads, draining: false, taken: 0 }
  const mover = new ViewerMover({
    placement: {
      loads: () => state.loads.map((load, index) => ({ index, load })),
      takeOn: (index) => {
        state.taken++
        const give = () => state.taken--
        return { slot: { index } as WorkerSlot, [Symbol.dispose]: give } as Place
      },
      consumersPerWorker: ROOM,
    },
    draining: () => state.draining,
    now: () => state.now,
  })
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      state.now += 1000
      await mover.look()
    }
  }
  return { mover, state, pass, [Symbol.dispose]: () => mover[Symbol.dispose]() }
}

/** A viewer on the first worker, and when it was asked to move. */
function viewer(over: ReturnType<typeof overTwo>, answer: boolean | Promise<boolean> = true, consumers = 2) {
  const asked: number[] = []
  let index = 0
  const movable: MovableViewer = {
    get movableFrom() {
      return { index } as WorkerSlot
    },
    consumers,
    async moveTo(place) {
      asked.push((over.state.now - 1_000_000) / 1000)
      const moved = await answer
      if (moved) index = place.slot.index
      else place[Symbol.dispose]()
      return moved
    },
  }
  return { movable, asked }
}

test('one viewer after the other moves, and is counted where it went', async (t) => {
  using over = overTwo()
  const viewers = [viewer(over), viewer(over), viewer(over)]
  for (const { movable } of viewers) over.mover.add(movable)
  await over.pass(22)
  t.deepEqual(
    viewers.map(({ asked }) => asked),
    [[11], [16], [21]],
  )
  t.deepEqual(
    [over.mover.movedOf(0), over.mover.movedOf(1)],
    [
      { here: 0, away: 3 },
      { here: 3, away: 0 },
    ],
  )
})

test('who moved stays for two minutes, even where the loads turn round', async (t) => {
  using over = overTwo()
  const { movable, asked } = viewer(over)
  over.mover.add(movable)
  await over.pass(12)
  over.state.loads = [0, 0.9]
  await over.pass(118)
  t.deepEqual(asked, [11])
  await over.pass(3)
  t.deepEqual(asked, [11, 131])
})

test('who did not get there is left alone for five minutes, and the next one is asked', async (t) => {
  using over = overTwo()
  const [fails, moves] = [viewer(over, false), viewer(over)]
  over.mover.add(fails.movable)
  over.mover.add(moves.movable)
  await over.pass(300)
  t.deepEqual([fails.asked, moves.asked], [[11], [16]])
  t.is(over.state.taken, 1, 'the place of the one that stayed went back')
  await over.pass(20)
  t.deepEqual(fails.asked, [11, 311])
})

test('nobody is asked while somebody moves, who leaves is forgotten, and a move that ends late brings nobody back', async (t) => {
  using over = overTwo()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const [slow, next] = [viewer(over, promise), viewer(over)]
  const added = over.mover.add(slow.movable)
  over.mover.add(next.movable)
  await over.pass(10)
  over.state.now += 1000
  const moving = over.mover.look()
  await over.pass(60)
  t.deepEqual([slow.asked, next.asked], [[11], []])
  added[Symbol.dispose]()
  resolve(false)
  await moving
  await over.pass(400)
  t.is(slow.asked.length, 1)
  t.is(next.asked.length, 1)
})

test('nobody moves from a hub that is drained, and none whose weight would turn the loads round', async (t) => {
  using over = overTwo([0.9, 0.3])
  const [heavy, light] = [viewer(over, true, 8), viewer(over, true, 4)]
  over.mover.add(heavy.movable)
  over.state.draining = true
  await over.pass(60)
  over.state.draining = false
  await over.pass(60)
  t.deepEqual(heavy.asked, [])
  over.mover.add(light.movable)
  await over.pass(6)
  t.is(light.asked.length, 1)
  t.deepEqual(heavy.asked, [])
})
