import test from 'ava'
import { Merge } from '../../../../sfu/switch/merge/merge.ts'
import { Seeded } from '../../../policy/seeded.ts'
import { type Arrival, copyOf, type Outcome, play, type Stream, type Way } from './copies-of-a-stream.ts'

/** Copies of one stream become one stream again, without I/O. Seeded: a failure names its seed. */

const PICTURES: Stream = { kind: 'video', units: 600, stepMs: 1000 / 30 }
const SOUND: Stream = { kind: 'audio', units: 600, stepMs: 20 }
const BUFFER_MS = 200
/** By then the copies have proved themselves. */
const SETTLED_MS = 1500

function run(stream: Stream, ways: readonly Way[], seed: number, bufferMs = BUFFER_MS) {
  const random = new Seeded(seed)
  const copies = ways.map((way, input) => copyOf(stream, input, way, random))
  return { copies, outcome: play(stream, copies, bufferMs) }
}

/** Numbers of units that left twice, or after a later one. */
function disorder({ left }: Outcome): number[] {
  return left.flatMap(({ number }, at) => (at > 0 && number <= left[at - 1]!.number ? [number] : []))
}

function missing({ units, stepMs }: Stream, { left }: Outcome, fromMs = 0): number[] {
  const seen = new Set(left.map(({ number }) => number))
  const first = Math.max(left[0]!.number, Math.ceil(fromMs / stepMs))
  return Array.from({ length: units - first }, (_, at) => first + at).filter((number) => !seen.has(number))
}

/** How far the distances of output times are from those of the stream, ticks. */
function unevenness({ kind, stepMs }: Stream, { left }: Outcome): number {
  const ticks = kind === 'video' ? 90 : 48
  const offsets = left
    .filter(({ time }) => !Number.isNaN(time))
    .map((each) => each.time - each.number * stepMs * ticks)
  return Math.max(...offsets) - Math.min(...offsets)
}

/** Units of which a complete copy came before the stream had to go on: within the buffer of the first later unit. */
function available(copies: readonly (readonly Arrival[])[], within: number, fromMs: number): Set<number> {
  const laterAt = new Map<number, number>()
  let earliest = Number.POSITIVE_INFINITY
  const all = copies.flat().toSorted((one, other) => other.number - one.number)
  for (const { number, atMs } of all) {
    if (!laterAt.has(number)) laterAt.set(number, earliest)
    earliest = Math.min(earliest, atMs)
  }
  return new Set(
    copies
      .flat()
      .filter(
        ({ atMs, number, unit }) => unit.complete && atMs >= fromMs && atMs < laterAt.get(number)! + within,
      )
      .map(({ number }) => number),
  )
}

for (const [name, stream] of [
  ['pictures', PICTURES],
  ['sound', SOUND],
] as const) {
  test(`${name}: the first copy of each unit leaves at once`, (t) => {
    const { copies, outcome } = run(stream, [{ delayMs: 10 }, { delayMs: 45 }], 1)
    t.deepEqual(
      outcome.told.map(({ what, input }) => [what, input]),
      [['joined', 1]],
    )
    t.deepEqual(missing(stream, outcome), [])
    t.deepEqual(disorder(outcome), [])
    t.is(outcome.astray, 0)
    const came = new Map(copies[0]!.map(({ number, atMs }) => [number, atMs]))
    t.true(outcome.left.every(({ number, atMs }) => atMs === came.get(number)))
  })

  test(`${name}: a cut of the leading input, and of the other one, costs nothing`, (t) => {
    for (const [seed, cut] of [
      [1, 0],
      [2, 1],
    ] as const) {
      const ways: Way[] = [{ delayMs: 10 }, { delayMs: 45 }]
      ways[cut] = { ...ways[cut]!, cuts: [[5000, 8000]] }
      const { outcome } = run(stream, ways, seed)
      t.deepEqual(missing(stream, outcome), [], `cut ${cut}`)
      t.deepEqual(disorder(outcome), [])
      t.true(outcome.left.every(({ hole }) => !hole))
      t.true(unevenness(stream, outcome) <= 1.5)
      t.is(outcome.astray, 0)
      t.true(outcome.left.some(({ input, number }) => input === 1 - cut && number * stream.stepMs > 5000))
    }
  })

  test(`${name}: a gap that its ingress did not see is filled by the other copy`, (t) => {
    const cuts = [2010, 3510, 4010, 5510].map((from) => [from, from + 470] as const)
    const { outcome } = run(stream, [{ delayMs: 10, cuts, unseen: true }, { delayMs: 150 }], 7)
    t.deepEqual(missing(stream, outcome), [])
    t.deepEqual(disorder(outcome), [])
    t.true(outcome.left.every(({ hole }) => !hole))
  })

  test(`${name}: what any of two or three copies brings within the buffer leaves, whatever is lost`, (t) => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Seeded(seed)
      const ways = Array.from({ length: random.int(2, 3) }, () => wayOf(random))
      const { copies, outcome } = run(stream, ways, seed)
      const fromMs = SETTLED_MS
      const lost = missing(stream, outcome, fromMs)
      // Other copies may be late in proving themselves under loss.
      const joined = outcome.told.filter(({ what }) => what === 'joined').map(({ atMs }) => atMs)
      const settled = Math.max(...joined, fromMs)
      t.is(
        new Set(outcome.told.filter(({ what }) => what === 'joined').map(({ input }) => input)).size,
        ways.length - 1,
        `${seed}`,
      )
      const owed = available(copies, BUFFER_MS, settled)
      t.deepEqual(
        lost.filter(
          (number) => owed.has(number) && number * stream.stepMs > settled && number < stream.units - 10,
        ),
        [],
        `seed ${seed}: ${JSON.stringify(ways)}`,
      )
      t.deepEqual(disorder(outcome), [], `seed ${seed}`)
      t.true(unevenness(stream, outcome) <= 3, `seed ${seed}`)
      t.is(outcome.astray, 0, `seed ${seed}`)
      const came = firstArrivals(copies)
      t.true(
        outcome.left.every(
          ({ number, atMs }) =>
            number * stream.stepMs < settled ||
            number >= stream.units - 10 ||
            atMs <= came.get(number)! + BUFFER_MS + 0.001,
        ),
        `seed ${seed}`,
      )
    }
  })

  test(`${name}: restarts and cuts of any input leave an order without copies`, (t) => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Seeded(seed + 1000)
      const ways = Array.from({ length: random.int(2, 3) }, () => ({
        ...wayOf(random),
        restarts: random.chance(0.7) ? [random.int(2000, 6000), random.int(7000, 10000)] : [],
        cuts: random.chance(0.5) ? [[random.int(2000, 5000), random.int(5000, 9000)] as const] : [],
      }))
      const { outcome } = run(stream, ways, seed)
      t.deepEqual(disorder(outcome), [], `seed ${seed}: ${JSON.stringify(ways)}`)
      t.is(outcome.astray, 0, `seed ${seed}`)
    }
  })
}

function wayOf(random: Seeded): Way {
  return {
    delayMs: random.int(0, 90),
    jitterMs: random.pick([0, 5, 40]),
    overtakesMs: random.pick([0, 0, 15]),
    loss: random.pick([0, 0.02, 0.1]),
    damage: random.pick([0, 0.05]),
  }
}

function firstArrivals(copies: readonly (readonly Arrival[])[]): Map<number, number> {
  const first = new Map<number, number>()
  for (const { number, atMs, unit } of copies.flat())
    if (unit.complete) first.set(number, Math.min(atMs, first.get(number) ?? Number.POSITIVE_INFINITY))
  return first
}

test('other pictures under the same capture times are never merged, and are reported once', (t) => {
  const { outcome } = run(PICTURES, [{ delayMs: 10 }, { delayMs: 20, otherFrom: 0 }], 3)
  t.deepEqual(
    outcome.told.map(({ what, input }) => [what, input]),
    [['refused', 1]],
  )
  t.deepEqual(missing(PICTURES, outcome), [])
  t.true(outcome.left.every(({ input }) => input === 0))
})

test('a copy whose pictures become others is merged no more, and what is on air stays', (t) => {
  const { outcome } = run(PICTURES, [{ delayMs: 20 }, { delayMs: 10, otherFrom: 6000 }], 4)
  t.deepEqual(
    outcome.told.map(({ what, input }) => [what, input]),
    [
      ['joined', 1],
      ['left', 1],
      ['refused', 1],
    ],
  )
  t.deepEqual(missing(PICTURES, outcome), [])
  t.deepEqual(disorder(outcome), [])
  const after = outcome.left.filter(({ number }) => number * PICTURES.stepMs > 6200)
  t.true(after.length > 300 && after.every(({ input }) => input === 0))
})

test('eight inputs of eight encoders stay apart', (t) => {
  const random = new Seeded(5)
  const copies = Array.from({ length: 8 }, (_, input) =>
    copyOf(PICTURES, input, { delayMs: 10 }, random).map((arrival) => ({
      ...arrival,
      unit: {
        ...arrival.unit,
        captureMs: arrival.unit.captureMs + input * 4.1,
        print: (arrival.unit.print ^ (input * 77)) >>> 0,
      },
    })),
  )
  const outcome = play(PICTURES, copies, BUFFER_MS)
  t.deepEqual(outcome.told, [])
  t.is(outcome.left.length, PICTURES.units)
  t.is(outcome.astray, 0)
})

test('who copies what is on air can not slip pictures of its own in for long', (t) => {
  for (const share of [1, 2, 3, 4, 8]) {
    const told: string[] = []
    let handles = 0
    let forged = 0
    const own = new Set<number>()
    const merge = new Merge({
      inputs: 2,
      kind: 'video',
      bufferMs: BUFFER_MS,
      sink: {
        send: (_input, handle) => {
          if (own.has(handle)) forged += 1
        },
        drop: () => {},
        joined: () => told.push('joined'),
        left: () => told.push('left'),
        refused: () => told.push('refused'),
      },
    })
    const push = (input: number, number: number, isOwn: boolean, nowMs: number) => {
      handles += 1
      if (isOwn) own.add(handles)
      const sequence = number & 0xffff
      merge.push(
        {
          input,
          handle: handles,
          timestamp: number * 3000,
          first: sequence,
          last: sequence,
          captureMs: 1e12 + (number * 1000) / 30,
          print: number * 77 + (isOwn ? 1 : 0),
          complete: true,
        },
        nowMs,
      )
    }
    for (let number = 0; number < 900; number++) {
      const nowMs = (number * 1000) / 30
      // It proves itself, and is ahead of the true pictures from then on.
      const isAhead = number > 40
      if (isAhead) push(1, number, number % 8 < share, nowMs)
      push(0, number, false, nowMs + 5)
      if (number === 0) merge.begin(0, 0)
      if (!isAhead) push(1, number, false, nowMs + 8)
    }
    t.true(forged <= 5, `${share} of 8: ${forged} pictures left`)
    t.deepEqual(told, ['joined', 'left', 'refused'], `${share} of 8`)
  }
})
