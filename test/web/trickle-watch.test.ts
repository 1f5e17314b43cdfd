import test from 'ava'
import type { PileUp } from '../../signaling/client/pace-watch.ts'
import { TrickleWatch } from '../../signaling/client/trickle-watch.ts'

const PACKET_BYTES = 1_160
const PICTURE_EVERY_MS = 1_000 / 30
const SOUND_EVERY_MS = 20
const SOUND_BYTES = 220
const READ_EVERY_MS = 51

interface Packet {
  readonly kind: 'video' | 'sound'
  readonly sentAt: number
  readonly bytes: number
  /** The last one of its picture. */
  readonly last: boolean
}

interface Sent {
  /** Packets of each picture, by its number. */
  readonly packetsOf?: (picture: number) => number
  readonly sound?: boolean
  /** When each picture leaves, ms, by when it was captured. */
  readonly leavesAt?: (capturedAt: number) => number
}

/** A stream of 30 pictures a second, in the order in which its packets leave. */
function sent(
  seconds: number,
  { packetsOf = () => 16, sound = true, leavesAt = (at) => at }: Sent,
): Packet[] {
  const packets: Packet[] = []
  for (let picture = 0; picture * PICTURE_EVERY_MS < seconds * 1_000; picture++) {
    const sentAt = leavesAt(picture * PICTURE_EVERY_MS)
    const count = packetsOf(picture)
    for (let index = 0; index < count; index++)
      packets.push({ kind: 'video', sentAt, bytes: PACKET_BYTES, last: index === count - 1 })
  }
  for (let at = 7; sound && at < seconds * 1_000; at += SOUND_EVERY_MS)
    packets.push({ kind: 'sound', sentAt: at, bytes: SOUND_BYTES, last: true })
  return packets.toSorted((a, b) => a.sentAt - b.sentAt)
}

/** Arrival times of packets over a link with a queue, whose capacity at each time is given in kb/s. */
function over(kbpsAt: (at: number) => number, packets: readonly Packet[]): { packet: Packet; at: number }[] {
  let freeAt = 0
  return packets.map((packet) => {
    const startsAt = Math.max(freeAt, packet.sentAt)
    freeAt = startsAt + (packet.bytes * 8) / kbpsAt(startsAt)
    return { packet, at: freeAt }
  })
}

/** Reads as a page does, from `phase` ms on. Returns the reports with their times. */
function read(arrivals: readonly { packet: Packet; at: number }[], phase = 0, watch = new TrickleWatch()) {
  const told: (PileUp & { at: number })[] = []
  const totals = {
    video: { bytes: 0, packets: 0, lastPacketAt: 0 },
    sound: { bytes: 0, packets: 0, lastPacketAt: 0 },
  }
  let pictures = 0
  let next = 0
  const end = arrivals.at(-1)!.at
  for (let at = phase; at <= end; at += READ_EVERY_MS) {
    for (; next < arrivals.length && arrivals[next]!.at <= at; next++) {
      const { packet, at: cameAt } = arrivals[next]!
      const total = totals[packet.kind]
      total.bytes += packet.bytes
      total.packets++
      total.lastPacketAt = cameAt
      if (packet.kind === 'video' && packet.last) pictures++
    }
    const sound = totals.sound.packets > 0 ? { at, ...totals.sound } : null
    const seen = watch.add({ at, ...totals.video, pictures }, sound)
    if (seen) told.push({ at, ...seen })
  }
  return told
}

const falls = (toKbps: number) => (at: number) => (at < 5_000 ? 6_000 : toKbps)

test('a link that falls to a tenth is reported while the first slow picture comes, whenever the page reads', (t) => {
  for (let phase = 0; phase < READ_EVERY_MS; phase += 3) {
    const [first] = read(over(falls(500), sent(6, {})), phase)
    t.true(first !== undefined && first.at >= 5_000 && first.at < 5_000 + 130, `${first?.at}`)
    t.true(first!.pace > 0.05 && first!.pace <= 0.2, `${first!.pace}`)
    // The next picture would have been whole 33 ms after the last one; half of one more is queued in the mean.
    t.true(first!.late_ms >= 45 - 17 && first!.late_ms < 110 - 16, `${first!.late_ms}`)
  }
})

test('without sound it takes a reading more', (t) => {
  for (let phase = 0; phase < READ_EVERY_MS; phase += 3) {
    const [first] = read(over(falls(500), sent(6, { sound: false })), phase)
    t.true(first !== undefined && first.at >= 5_000 + 50 && first.at < 5_000 + 190, `${first?.at}`)
  }
})

test('a link that falls less far is left to the watch of the pace', (t) => {
  t.deepEqual(read(over(falls(2_000), sent(8, {}))), [])
})

test('large pictures at the pace of the link, late ones and gaps are no queue', (t) => {
  const large = sent(30, { packetsOf: (picture) => (picture % 150 === 149 ? 70 : 15) })
  t.deepEqual(read(over(() => 6_000, large)), [], 'an IDR of 80 kB')
  let random = 1
  const next = (): number => {
    random = (random * 48_271) % 0x7fff_ffff
    return random / 0x7fff_ffff
  }
  const late = sent(60, { leavesAt: (at) => at + (next() < 0.1 ? 30 : 0) })
  t.deepEqual(read(over(() => 6_000, late)), [], 'pictures that the sender sends late')
  const stalls = (at: number) => (at % 1_000 < 80 ? 0.001 : 50_000)
  const gaps = over(() => 50_000, sent(60, {})).map(({ packet, at }) => ({
    packet,
    at: stalls(at) < 1 ? at - (at % 1_000) + 80 : at,
  }))
  t.deepEqual(read(gaps), [], 'a radio link that holds all back for 80 ms')
})

test('a picture of few bits is no queue', (t) => {
  const still = sent(30, { packetsOf: (picture) => (picture > 300 ? 1 : 16) })
  t.deepEqual(read(over(() => 6_000, still)), [])
})

test('a watch that was wrong needs more readings the next time', (t) => {
  // Each second the link carries next to nothing for a moment, and all of it right after.
  const dips = (at: number) => (at > 3_000 && at % 1_000 < 60 ? 400 : 20_000)
  const told = read(over(dips, sent(60, {})))
  t.true(told.length > 0, 'nobody can know before')
  t.true(told.length <= 3, told.map(({ at }) => at).join())
})
