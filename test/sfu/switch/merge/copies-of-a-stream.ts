import { Merge } from '../../../../sfu/switch/merge/merge.ts'
import type { Unit } from '../../../../sfu/switch/merge/merge-copies.ts'
import type { MergeOptions } from '../../../../sfu/switch/merge/merge-group.ts'
import type { Seeded } from '../../../policy/seeded.ts'

/** What happens to one copy of a stream on its way. Times are in ms of the stream. */
export interface Way {
  readonly delayMs: number
  /** Each unit comes later by up to this, and no unit overtakes another. */
  readonly jitterMs?: number
  /** A unit overtakes those before it by up to this. */
  readonly overtakesMs?: number
  readonly loss?: number
  /** A unit comes without some of its packets. */
  readonly damage?: number
  /** Nothing comes of what was captured in these spans. */
  readonly cuts?: readonly (readonly [number, number])[]
  /** Nobody notices the cuts: the numbers go on as if nothing were missing. */
  readonly unseen?: boolean
  /** The input's clock and numbers are others from these times on, as after its process died. */
  readonly restarts?: readonly number[]
  /** From this time on the input carries other pictures under the same capture times. */
  readonly otherFrom?: number
}

/** A unit of a copy that comes at a time. */
export interface Arrival {
  readonly atMs: number
  /** Number of the unit in the stream. */
  readonly number: number
  readonly unit: Unit
}

export interface Stream {
  readonly kind: MergeOptions['kind']
  readonly units: number
  readonly stepMs: number
}

const PACKETS = 3
const START_UNIX_MS = 1_800_000_000_000.125

/** The arrivals of one copy of a stream, in the order in which they come. */
export function copyOf(stream: Stream, input: number, way: Way, random: Seeded): Arrival[] {
  const ticksPerMs = stream.kind === 'video' ? 90 : 48
  const arrivals: Arrival[] = []
  let clock = random.int(0, 2 ** 32 - 1)
  let sequence = random.int(0, 0xffff)
  let atMs = 0
  let restarts = 0
  for (let number = 0; number < stream.units; number++) {
    const ms = number * stream.stepMs
    if (ms >= (way.restarts?.[restarts] ?? Number.POSITIVE_INFINITY)) {
      restarts += 1
      clock += random.int(5, 400) * ticksPerMs + random.int(-ticksPerMs, ticksPerMs)
      sequence += 600
    }
    const first = sequence & 0xffff
    const packets = stream.kind === 'video' ? random.int(1, PACKETS) : 1
    sequence += packets
    const isCut = way.cuts?.some(([from, to]) => ms >= from && ms < to)
    // A lane's ingress leaves out one number for what it has lost.
    if (isCut || random.chance(way.loss ?? 0)) {
      sequence = isCut && way.unseen ? first : first + 1
      continue
    }
    const damaged = random.chance(way.damage ?? 0)
    if (damaged) sequence += 1
    atMs = Math.max(atMs, ms + way.delayMs + random.next() * (way.jitterMs ?? 0))
    const other = ms >= (way.otherFrom ?? Number.POSITIVE_INFINITY)
    arrivals.push({
      atMs: atMs + random.next() * (way.overtakesMs ?? 0),
      number,
      unit: {
        input,
        handle: number,
        timestamp: Math.round(clock + ms * ticksPerMs) >>> 0,
        first,
        last: (first + packets - 1) & 0xffff,
        // As two processes read it from different stamps.
        captureMs: stream.kind === 'video' ? START_UNIX_MS + ms + (random.next() - 0.5) * 0.003 : Number.NaN,
        print: printOf(number) ^ (other ? 0x5a5a5a5a : 0),
        complete: !damaged,
      },
    })
  }
  return arrivals.sort((one, other) => one.atMs - other.atMs)
}

function printOf(number: number): number {
  return Math.imul(number + 1, 0x9e37_79b1) >>> 0
}

/** What left, and what the merge told. */
export interface Outcome {
  /** In their order: number of the unit, ms of the stream when it left, time that the merge gave it, input, hole before it. */
  readonly left: readonly { number: number; atMs: number; time: number; input: number; hole: boolean }[]
  readonly told: readonly { atMs: number; what: 'joined' | 'left' | 'refused'; input: number }[]
  /** Handles that came back neither by `send` nor by `drop`, and those that came back twice. */
  readonly astray: number
}

/** Plays arrivals to a merge. Input 0 is on air from its first keyframe. */
export function play(stream: Stream, copies: readonly (readonly Arrival[])[], bufferMs: number): Outcome {
  const left: Outcome['left'][number][] = []
  const told: Outcome['told'][number][] = []
  const out = copies.map(() => new Set<number>())
  let astray = 0
  let nowMs = 0
  const back = (input: number, handle: number): void => {
    if (!out[input]!.delete(handle)) astray += 1
  }
  let over = false
  const tell = (what: 'joined' | 'left' | 'refused') => (input: number) => {
    if (!over) told.push({ atMs: nowMs, what, input })
  }
  const merge = new Merge({
    inputs: copies.length,
    kind: stream.kind,
    bufferMs,
    sink: {
      send(input, handle, time, hole) {
        back(input, handle)
        left.push({ number: handle, atMs: nowMs, time, input, hole })
      },
      drop: back,
      joined: tell('joined'),
      left: tell('left'),
      refused: tell('refused'),
    },
  })
  const lookUntil = (untilMs: number): void => {
    while (merge.lookAgainMs <= untilMs) {
      nowMs = merge.lookAgainMs
      merge.look(nowMs)
      if (merge.lookAgainMs <= nowMs) throw new Error('looking did not help')
    }
  }
  const waiting = copies.flat().sort((one, other) => one.atMs - other.atMs)
  let begun = false
  for (const { atMs, number, unit } of waiting) {
    lookUntil(atMs)
    nowMs = atMs
    if (!begun && unit.input === 0 && (number % 60 === 0 || stream.kind === 'audio')) {
      begun = true
      merge.begin(0, unit.timestamp)
    }
    // As a caller does: what is alone on air leaves packet by packet, and nobody keeps its bytes.
    const alone = merge.isCopy(unit.input) && merge.copies === 1
    const handle = merge.needsBytes(unit.input) ? number : -1
    if (alone) {
      // Its receiver puts late packets of a lone input in their order.
      const isNew = merge.leaving(unit.input, unit.timestamp) && number > (left.at(-1)?.number ?? -1)
      if (isNew && unit.complete)
        left.push({ number, atMs, time: Number.NaN, input: unit.input, hole: false })
    }
    if (handle >= 0) out[unit.input]!.add(handle)
    merge.push({ ...unit, handle }, atMs)
  }
  lookUntil(nowMs + 2 * bufferMs)
  over = true
  for (const [input] of copies.entries()) merge.forget(input, nowMs)
  for (const handles of out) astray += handles.size
  return { left, told, astray }
}
