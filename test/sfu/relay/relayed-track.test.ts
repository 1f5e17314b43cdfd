import test from 'ava'
import { type RelayPosition, type RelayTrack, relayPositionSchema } from '../../../common/wire/relay-ipc.ts'
import { firstPosition, noteDeath, RelayedTrack } from '../../../sfu/relay/relayed-track.ts'
import { SeededRandom } from '../../fuzz/seeded-random.ts'

/** What a lane makes of its inputs' packets, without I/O. */

const LANE = 77_001_122
const CLOCK = { epochMs: 1_000, offset90k: 0xffff_f000, last90k: 0 }
const FRAME_MS = 33

function trackOf(from: number, over: Partial<RelayTrack> = {}): RelayTrack {
  return {
    ssrc: LANE,
    from,
    clock_rate: 90_000,
    picture_ids: null,
    layered: false,
    position: firstPosition(LANE, CLOCK, 90_000),
    clock: CLOCK,
    ...over,
  }
}

interface Numbers {
  readonly sequence: number
  readonly timestamp: number
  readonly marker?: boolean
  readonly payload?: readonly number[]
  readonly extension?: boolean
}

function packetOf({
  sequence,
  timestamp,
  marker = false,
  payload = [1, 2, 3],
  extension = false,
}: Numbers): Buffer {
  const header = Buffer.alloc(extension ? 20 : 12)
  header.writeUInt16BE((extension ? 0x9000 : 0x8000) | (marker ? 0x80 : 0) | 96, 0)
  header.writeUInt16BE(sequence & 0xffff, 2)
  header.writeUInt32BE(timestamp >>> 0, 4)
  header.writeUInt32BE(5, 8)
  if (extension) header.writeUInt32BE(0xbede_0001, 12)
  return Buffer.concat([header, Buffer.from(payload)])
}

function read(packet: Buffer) {
  return {
    ssrc: packet.readUInt32BE(8),
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
  }
}

const after16 = (a: number, b: number): number => (a - b) & 0xffff
const after32 = (a: number, b: number): number => (a - b) >>> 0

test('any sequence of inputs, losses, reordering and crashes gives one stream that goes on', (t) => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new SeededRandom(`relay ${seed}`)
    let nowMs = CLOCK.epochMs + random.below(100_000)
    let position: RelayPosition = firstPosition(LANE, CLOCK, 90_000)
    let last: { sequence: number; timestamp: number } | null = null
    for (let input = 0; input < 6; input++) {
      const from = 100 + input
      const own = { sequence: random.below(0x10000), timestamp: random.below(2 ** 32) }
      let track = trackOf(from, { position })
      let relayed = new RelayedTrack(track)
      let inputLast: { own: typeof own; lane: { sequence: number; timestamp: number } } | null = null
      for (let picture = 0; picture < 20; picture++) {
        nowMs += FRAME_MS
        const timestamp = own.timestamp + picture * FRAME_MS * 90
        const packets = Array.from({ length: 1 + random.below(4) }, (_, index) => index)
        for (const index of packets) {
          const numbers = { sequence: own.sequence++, timestamp, marker: index === packets.length - 1 }
          if (picture > 0 && random.below(10) === 0) continue
          const packet = packetOf(numbers)
          t.true(relayed.restamp(packet, nowMs))
          const lane = read(packet)
          t.is(lane.ssrc, LANE)
          if (last !== null) {
            const [sequenceStep, timestampStep] = [
              after16(lane.sequence, last.sequence),
              after32(lane.timestamp, last.timestamp),
            ]
            t.true(
              sequenceStep > 0 && sequenceStep < 3000,
              `seed ${seed}: sequence went on by ${sequenceStep}`,
            )
            t.true(timestampStep < 90_000 * 120, `seed ${seed}: time went on by ${timestampStep}`)
          }
          // Distances within an input are the input's own.
          if (inputLast !== null) {
            t.is(
              after16(lane.sequence, inputLast.lane.sequence),
              after16(numbers.sequence, inputLast.own.sequence),
            )
            t.is(
              after32(lane.timestamp, inputLast.lane.timestamp),
              after32(numbers.timestamp, inputLast.own.timestamp),
            )
          }
          last = lane
          inputLast = { own: numbers, lane }
        }
        if (random.below(8) === 0) position = relayPositionSchema.parse(structuredClone(relayed.position))
        if (random.below(25) === 0) {
          // The process dies; its successor knows what was reported last.
          track = { ...track, position: structuredClone(position) }
          noteDeath(track.position, nowMs)
          position = track.position
          // An input that was anchored but not reported is anchored again.
          if (track.position.from !== from) inputLast = null
          relayed = new RelayedTrack(track)
        }
      }
      position = relayed.position
      nowMs += random.below(20_000)
    }
  }
})

test('a new input begins at the lane’s time of its first packet, and never behind what left', (t) => {
  const first = new RelayedTrack(trackOf(1))
  const one = packetOf({ sequence: 10, timestamp: 5_000, marker: true })
  first.restamp(one, CLOCK.epochMs + 1000)
  t.is(read(one).timestamp, (CLOCK.offset90k + 90_000) >>> 0)
  const second = new RelayedTrack(trackOf(2, { position: first.position }))
  const two = packetOf({ sequence: 999, timestamp: 123 })
  second.restamp(two, CLOCK.epochMs + 3000)
  t.is(after32(read(two).timestamp, read(one).timestamp), 180_000)
  t.is(after16(read(two).sequence, read(one).sequence), 1)
  const third = new RelayedTrack(trackOf(3, { position: second.position }))
  const three = packetOf({ sequence: 0, timestamp: 7 })
  third.restamp(three, CLOCK.epochMs + 3000)
  t.is(after32(read(three).timestamp, read(two).timestamp), 3000, 'one frame on')
  t.is(after16(read(three).sequence, read(two).sequence), 2, 'a picture without its end looks unfinished')
})

test('sound is on the same clock, in samples', (t) => {
  const clock = { ...CLOCK, offset90k: 2 ** 30 }
  const track = new RelayedTrack(
    trackOf(1, { clock_rate: 48_000, clock, position: firstPosition(LANE, clock, 48_000) }),
  )
  const packet = packetOf({ sequence: 1, timestamp: 0 })
  track.restamp(packet, CLOCK.epochMs + 500)
  const expected = Math.round((2 ** 30 * 48) / 90) + 24_000
  t.is(read(packet).timestamp, expected)
  t.is(track.laneTimestamp(960), expected + 960)
})

test('a successor goes on with the very numbers of an input that was reported', (t) => {
  const before = new RelayedTrack(trackOf(1))
  before.restamp(packetOf({ sequence: 7, timestamp: 70 }), 2_000)
  const reported = structuredClone(before.takePosition()!)
  t.is(before.takePosition(), null, 'nothing left since')
  const after = new RelayedTrack(trackOf(1, { position: reported }))
  const [a, b] = [packetOf({ sequence: 9, timestamp: 90 }), packetOf({ sequence: 9, timestamp: 90 })]
  before.restamp(a, 3_000)
  after.restamp(b, 9_000)
  t.deepEqual(a, b)
})

test('picture ids of VP8 and VP9 go on from input to input', (t) => {
  const vp8 = (picture: number, baseLayer: number) => [
    0x90,
    0xe0,
    0x80 | (picture >> 8),
    picture & 0xff,
    baseLayer,
    0x20,
    9,
  ]
  const vp9 = (picture: number, baseLayer: number) => [
    0xac,
    0x80 | (picture >> 8),
    picture & 0xff,
    0x04,
    baseLayer,
    9,
  ]
  for (const [codec, make, [pictureAt, baseLayerAt]] of [
    ['vp8', vp8, [2, 4]],
    ['vp9', vp9, [1, 4]],
  ] as const) {
    let position = firstPosition(LANE, CLOCK, 90_000)
    let expected = {
      picture: (position.last.picture + 1) & 0x7fff,
      baseLayer: (position.last.base_layer + 1) & 0xff,
    }
    for (const [from, picture, baseLayer] of [
      [1, 0x7ffe, 250],
      [2, 3, 9],
      [3, 0x1234, 255],
    ] as const) {
      const track = new RelayedTrack(trackOf(from, { picture_ids: codec, position }))
      for (let frame = 0; frame < 4; frame++) {
        const packet = packetOf({
          sequence: frame,
          timestamp: frame * 3000,
          payload: make((picture + frame) & 0x7fff, (baseLayer + frame) & 0xff),
          extension: true,
        })
        track.restamp(packet, 2_000 + from * 1000 + frame)
        const payload = packet.subarray(20)
        t.is(payload.readUInt16BE(pictureAt) & 0x7fff, expected.picture, codec)
        t.is(payload[baseLayerAt], expected.baseLayer, codec)
        t.is(payload.at(-1), 9)
        expected = { picture: (expected.picture + 1) & 0x7fff, baseLayer: (expected.baseLayer + 1) & 0xff }
      }
      position = track.position
    }
  }
})

test('nothing is made of what is no RTP packet, and payloads without ids are left as they are', (t) => {
  const track = new RelayedTrack(trackOf(1, { picture_ids: 'vp8' }))
  t.false(track.restamp(Buffer.alloc(5), 1))
  const cut = packetOf({ sequence: 1, timestamp: 1, payload: [], extension: true })
  cut.writeUInt16BE(500, 14)
  t.false(track.restamp(cut, 1))
  for (const payload of [[], [0x10], [0x90], [0x90, 0x80], [0x90, 0xc0, 0x01]]) {
    const packet = packetOf({ sequence: 1, timestamp: 1, payload })
    t.true(track.restamp(packet, 1))
    t.deepEqual([...packet.subarray(12)], payload)
  }
})

/** Packets of a picture of an input at some moment; each picture has one packet. */
function runner(track: RelayedTrack) {
  return (sequence: number, nowMs: number): { sequence: number; timestamp: number } | null => {
    const packet = packetOf({ sequence, timestamp: nowMs * 90, marker: true })
    return track.restamp(packet, nowMs) ? read(packet) : null
  }
}

test('a silence leaves a hole of one number, not of all that the input lost, and time goes on', (t) => {
  for (const sequence of [1000, 65_400, 65_535]) {
    const run = runner(new RelayedTrack(trackOf(1)))
    const before = run(sequence, 2_000)!
    const short = run(sequence + 100, 3_400)!
    t.is(after16(short.sequence, before.sequence), 100, 'what is short is a loss, which may be repaired')
    const long = run(sequence + 400, 6_400)!
    t.is(after16(long.sequence, short.sequence), 2)
    t.is(after32(long.timestamp, short.timestamp), 3_000 * 90)
    t.is(run(sequence + 399, 6_410), null, 'a retransmission of before would take a number that was used')
    t.is(after16(run(sequence + 401, 6_420)!.sequence, long.sequence), 1)
    let last = run(sequence + 402, 6_430)!
    for (let packet = 403; packet < 70_000; packet++) {
      const next = run(sequence + packet, 6_430 + packet)
      t.is(next && after16(next.sequence, last.sequence), 1)
      last = next!
    }
  }
})

test('a picture now and then has no hole where nothing was lost, and is repaired where little was', (t) => {
  const run = runner(new RelayedTrack(trackOf(1, { layered: true })))
  let last = run(1000, 2_000)!
  const steps = [1, 1, 2, 12, 1]
  for (const [index, step] of steps.entries()) {
    const sequence = 1000 + steps.slice(0, index + 1).reduce((sum, each) => sum + each)
    const next = run(sequence, 5_000 + 3_000 * index)!
    t.is(after16(next.sequence, last.sequence), step)
    if (step > 1) t.is(after16(run(sequence - 1, 5_050 + 3_000 * index)!.sequence, next.sequence), 0xffff)
    last = next
  }
})

test('a successor of a process that hung goes on behind what was reported, where viewers have dropped the layer', (t) => {
  for (const [layered, tookMs, step] of [
    [true, 3_400, 2],
    [false, 3_400, 300],
    [true, 600, 300],
  ] as const) {
    const before = new RelayedTrack(trackOf(1, { layered }))
    const left = runner(before)(20, 2_000)!
    const position = { ...structuredClone(before.takePosition()!), reported_ms: 2_000 }
    const goOn = runner(new RelayedTrack(trackOf(1, { layered, position })))
    const first = goOn(320, 2_000 + tookMs)!
    t.is(after16(first.sequence, left.sequence), step, JSON.stringify({ layered, tookMs }))
    t.is(after16(goOn(321, 2_010 + tookMs)!.sequence, first.sequence), 1)
  }
})
