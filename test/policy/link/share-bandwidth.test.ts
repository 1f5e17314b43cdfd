import test from 'ava'
import { byImportance, type ShareMemory, shareBandwidth } from '../../../policy/link/share-bandwidth.ts'
import { FRESH_DELIVERY, judgeDelivery } from '../../../policy/link/shares.ts'
import { goalOf } from '../../../policy/link/way-up.ts'
import { type LayerStep, type ViewedStream, wantedStep } from '../../../policy/viewed-stream.ts'
import { Seeded } from '../seeded.ts'

const NO_MEMORY: ReadonlyMap<string, ShareMemory> = new Map()
const unlimited = (availableKbps: number) => ({ availableKbps, limitKbps: 100_000 })

/** Spatial layers of these bitrates, 180, 360, 720 lines and so on up. */
const ladder = (...kbps: (number | null)[]): LayerStep[] =>
  kbps.map((each, spatial) => ({
    spatial,
    temporal: 0,
    kbps: each,
    picture: { width: 320 * 2 ** spatial, height: 180 * 2 ** spatial },
  }))

function viewed(over: Partial<Omit<ViewedStream, 'view'>> & { view?: Partial<ViewedStream['view']> } = {}) {
  return {
    id: 'a',
    steps: ladder(150, 600, 2500),
    floorKbps: 0,
    ceilingKbps: 8000,
    priority: 100,
    ...over,
    view: { tile: null, visible: true, focused: false, audio: true, video: true, ...over.view },
  } satisfies ViewedStream
}

test('a layer is taken for the tile it fills, and none for a tile nobody sees', (t) => {
  const wanted = (view: Partial<ViewedStream['view']>, steps = ladder(150, 600, 2500)) =>
    wantedStep(viewed({ view, steps }))
  t.deepEqual(wanted({ tile: { width: 1920, height: 1080 } }), { step: 2, reason: 'all' })
  t.deepEqual(wanted({ tile: { width: 640, height: 360 } }), { step: 1, reason: 'tile' })
  t.deepEqual(wanted({ tile: { width: 160, height: 90 } }), { step: 0, reason: 'tile' })
  // A tall tile: the picture is as wide as the tile.
  t.is(wanted({ tile: { width: 320, height: 2000 } }).step, 0)
  t.deepEqual(wanted({ tile: { width: 0, height: 0 } }), { step: null, reason: 'hidden' })
  t.deepEqual(wanted({ visible: false }), { step: null, reason: 'hidden' })
  t.deepEqual(wanted({ video: false }), { step: null, reason: 'not_wanted' })
  t.deepEqual(wanted({}, []), { step: null, reason: 'no_video' })
  // All temporal layers of the spatial layer that fills the tile.
  const temporal = [0, 1].flatMap((spatial) =>
    [0, 1, 2].map((each) => ({ spatial, temporal: each, kbps: 100, picture: null })),
  )
  t.is(wanted({ tile: { width: 300, height: 170 } }, temporal).step, 2)
  // Layers of one size are the same picture: the viewer stays on the highest of them.
  const same = ladder(150, 600, 600).map((step) => ({ ...step, picture: { width: 640, height: 360 } }))
  t.deepEqual(wanted({ tile: { width: 640, height: 360 } }, same), { step: 2, reason: 'all' })
})

test('the ceiling of the contract holds, and the lowest layer is within every contract', (t) => {
  t.deepEqual(wantedStep(viewed({ ceilingKbps: 1000 })), { step: 1, reason: 'ceiling' })
  t.deepEqual(wantedStep(viewed({ ceilingKbps: 100 })), { step: 0, reason: 'ceiling' })
})

test('the focused stream is served first, and floors before anything more', (t) => {
  const main = viewed({ id: 'main', view: { focused: true }, floorKbps: 600 })
  const other = viewed({ id: 'other', priority: 200, floorKbps: 100 })
  const at = (kbps: number) => {
    const shares = shareBandwidth(unlimited(kbps), [other, main], NO_MEMORY, 0)
    return [shares.get('main')!.step, shares.get('other')!.step]
  }
  t.deepEqual(at(10_000), [2, 2])
  t.deepEqual(at(3200), [2, 1])
  // Both floors, and no more than the floor for the focused one while 2500 do not fit beside the other's.
  t.deepEqual(at(2600), [1, 1])
  t.deepEqual(at(750), [1, 0])
})

test('what can not be paid pauses with its reason, after a moment, and comes back by itself', (t) => {
  const stream = viewed()
  const memories = new Map<string, ShareMemory>()
  const steps: (number | null)[] = []
  const decide = (kbps: number, atMs: number) => {
    const share = shareBandwidth(unlimited(kbps), [stream], memories, atMs).get('a')!
    if (share.memory) memories.set('a', share.memory)
    steps.push(share.step)
    return share
  }
  decide(700, 0)
  decide(100, 1000)
  t.is(decide(100, 2600).reason, 'bandwidth')
  t.deepEqual(steps.splice(0), [1, 0, null])
  // Just enough is not enough to come back to, and it must last.
  decide(160, 8000)
  decide(160, 20_000)
  decide(700, 21_000)
  decide(700, 22_000)
  decide(700, 23_100)
  t.deepEqual(steps.splice(0), [null, null, null, null, 0])
  decide(700, 24_000)
  decide(700, 25_000)
  t.deepEqual(steps, [0, 1])
})

test('a page that hides and shows a tile, or changes its size, waits for nothing', (t) => {
  const memories = new Map<string, ShareMemory>()
  const decide = (view: Partial<ViewedStream['view']>) => {
    const share = shareBandwidth(unlimited(10_000), [viewed({ view })], memories, 0).get('a')!
    if (share.memory) memories.set('a', share.memory)
    else memories.delete('a')
    return share.step
  }
  t.is(decide({}), 2)
  t.is(decide({ visible: false }), null)
  t.is(decide({ tile: { width: 160, height: 90 } }), 0)
  t.is(decide({}), 2)
})

function someStreams(random: Seeded): ViewedStream[] {
  return Array.from({ length: random.int(1, 6) }, (_, index) => {
    let kbps = 0
    const steps = ladder(
      ...Array.from({ length: random.int(0, 4) }, () => {
        kbps += random.int(50, 1500)
        return random.chance(0.1) ? null : kbps
      }),
    )
    const side = random.int(0, 2000)
    return viewed({
      id: `s${index}`,
      steps,
      floorKbps: random.int(0, 2000),
      ceilingKbps: random.int(100, 6000),
      priority: random.int(1, 3),
      view: {
        tile: random.chance(0.3) ? null : { width: side, height: side },
        visible: random.chance(0.9),
        video: random.chance(0.9),
        focused: index === 0 && random.chance(0.5),
      },
    })
  })
}

test('whatever the streams: no more than there is, no more than is wanted, floors by importance', (t) => {
  const random = new Seeded(4)
  for (let round = 0; round < 5000; round++) {
    const streams = someStreams(random).sort(byImportance)
    const available = random.int(0, 12_000)
    const shares = shareBandwidth(unlimited(available), streams, NO_MEMORY, 0)
    // A picture that does not fit keeps its lowest step for a moment: the step that it goes to counts here.
    const got = streams.map(({ id }) => {
      const { step, memory } = shares.get(id)!
      return memory?.brokeSince === 0 ? null : step
    })
    const taken = (index: number) => streams[index]!.steps[got[index] ?? -1]?.kbps ?? 0
    const used = streams.reduce((sum, _, index) => sum + taken(index), 0)
    t.true(used <= available, `round ${round}: ${used} of ${available}`)
    for (const [index, stream] of streams.entries()) {
      const { wanted } = shares.get(stream.id)!
      const step = got[index]!
      t.true((step ?? -1) <= (wanted ?? -1))
      if (wanted === null || stream.steps.every(({ kbps }) => kbps === null)) continue
      const sent = stream.steps.slice(0, wanted + 1).filter(({ kbps }) => kbps !== null)
      const floor = sent.findIndex(({ kbps }) => kbps! >= stream.floorKbps)
      const below = sent.slice(0, floor < 0 ? sent.length : floor + 1)
      const next = below.find(({ spatial }) => spatial > (step ?? -1))
      if (next === undefined) continue
      // Below its floor: all that those after it have, and all that is left, would not pay for the next step.
      const after = streams.reduce((sum, _, other) => sum + (other > index ? taken(other) : 0), 0)
      t.true(next.kbps! - taken(index) > after + available - used, `round ${round}: ${stream.id} goes short`)
    }
  }
})

test('an estimate that wavers, and bitrates that do, make no picture flap', (t) => {
  const random = new Seeded(7)
  for (let round = 0; round < 200; round++) {
    const streams = someStreams(random)
    const available = random.int(200, 8000)
    const memories = new Map<string, ShareMemory>()
    const changes = new Map<string, number>()
    for (let atMs = 0; atMs < 60_000; atMs += 500) {
      const wavering = unlimited(available * (0.97 + 0.06 * random.next()))
      for (const [id, { memory }] of shareBandwidth(wavering, streams, memories, atMs)) {
        const before = memories.get(id)
        if (before && memory?.step !== before.step) changes.set(id, (changes.get(id) ?? 0) + 1)
        if (memory) memories.set(id, memory)
        else memories.delete(id)
      }
    }
    for (const count of changes.values()) t.true(count <= 3, `round ${round}: ${count} changes in a minute`)
  }
})

test('the same question has the same answer, in whatever order it is asked', (t) => {
  const random = new Seeded(11)
  for (let round = 0; round < 500; round++) {
    const streams = someStreams(random)
    const bandwidth = unlimited(random.int(0, 9000))
    const one = shareBandwidth(bandwidth, streams, NO_MEMORY, 5)
    const other = shareBandwidth(bandwidth, random.shuffled(streams), NO_MEMORY, 5)
    for (const { id } of streams) t.deepEqual(one.get(id), other.get(id))
  }
})

test('what is probed for is the next step of the most important stream that goes short', (t) => {
  const main = viewed({ id: 'main', view: { focused: true } })
  const other = viewed({ id: 'other' })
  const goalAt = (kbps: number) => {
    const shares = shareBandwidth(unlimited(kbps), [other, main], NO_MEMORY, 0)
    const goal = goalOf([other, main], shares)
    return goal && [goal.neededKbps, Math.round(goal.probeKbps)]
  }
  t.is(goalAt(10_000), null)
  // The other one has 600 and wants 2500 beside the focused one's.
  t.deepEqual(goalAt(3200), [5000, Math.round((5000 * 1.13) / 0.93)])
  t.deepEqual(goalAt(900), [2650, Math.round((2650 * 1.13) / 0.93)])
})

test('what is paid for already and only waited for is not probed for, but the step above it', (t) => {
  const memories = new Map<string, ShareMemory>()
  const stream = viewed()
  const decide = (kbps: number, atMs: number) => {
    const shares = shareBandwidth(unlimited(kbps), [stream], memories, atMs)
    memories.set('a', shares.get('a')!.memory!)
    return { step: shares.get('a')!.step, goal: goalOf([stream], shares) }
  }
  decide(3000, 0)
  t.is(decide(200, 1000).step, 0)
  const { step, goal } = decide(700, 2000)
  t.deepEqual([step, goal?.neededKbps], [0, 2500])
  t.deepEqual(decide(3000, 2200), { step: 0, goal: null })
})

test('a step that was taken before anything was measured is corrected without a wait', (t) => {
  const memories = new Map<string, ShareMemory>()
  const decide = (kbps: number, steps: LayerStep[], atMs: number) => {
    const share = shareBandwidth(unlimited(kbps), [viewed({ steps })], memories, atMs).get('a')!
    if (share.memory) memories.set('a', share.memory)
    return share.step
  }
  t.is(decide(1000, ladder(null, null, null), 0), 2)
  t.is(decide(1000, ladder(150, 600, 2500), 1000), 1)
  t.is(decide(3000, ladder(150, 600, 2500), 1200), 2)
})

test('a picture that gets through badly without an estimate pauses, and is tried after ever longer waits', (t) => {
  let memory = FRESH_DELIVERY
  const pauses: number[] = []
  for (let now = 0, paused = false; now < 200_000; now += 500) {
    const answer = judgeDelivery(memory, true, now)
    memory = answer.memory
    if (answer.paused !== paused) pauses.push(now / 1000)
    paused = answer.paused
  }
  t.deepEqual(pauses, [4, 14, 18.5, 38.5, 43, 83, 87.5, 167.5, 172])
  let good = judgeDelivery(memory, false, 300_000)
  good = judgeDelivery(good.memory, false, 340_000)
  t.deepEqual(good, { paused: false, memory: FRESH_DELIVERY, lookAgainAt: null })
})
