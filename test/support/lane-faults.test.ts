import test from 'ava'
import { laneFaults } from './lane-faults.ts'
import type { ReceivedPacket } from './werift-viewer.ts'

const MS = { video: 90, audio: 48 } as const
const SPS = Buffer.from([0x67, 1, 2])
const IDR = Buffer.from([0x65, 1, 2])
const LATER = Buffer.from([0x41, 1, 2])

const packet = (of: Partial<ReceivedPacket>): ReceivedPacket => ({
  ssrc: 7,
  sequence: 0,
  timestamp: 0,
  marker: false,
  payload: LATER,
  extensions: new Map(),
  at: 0,
  ...of,
})

/** Pictures of two packets each, every 40 ms, the first one an IDR; numbers and timestamps pass their ends. */
const video = (count: number): ReceivedPacket[] =>
  Array.from({ length: count }, (_, picture) =>
    [false, true].map((marker, part) =>
      packet({
        sequence: (65_530 + picture * 2 + part) & 0xffff,
        timestamp: (2 ** 32 - 90 * 100 + picture * 40 * MS.video) >>> 0,
        marker,
        payload: picture === 0 ? [SPS, IDR][part]! : LATER,
        at: 1000 + picture * 40,
      }),
    ),
  ).flat()

const sound = (count: number): ReceivedPacket[] =>
  Array.from({ length: count }, (_, index) =>
    packet({ sequence: index, timestamp: index * 20 * MS.audio, marker: false, at: index * 20 }),
  )

const changed = (packets: ReceivedPacket[], at: number, change: Partial<ReceivedPacket>) =>
  packets.map((each, index) => (index === at ? { ...each, ...change } : each))
const from = (
  packets: ReceivedPacket[],
  at: number,
  change: (each: ReceivedPacket) => Partial<ReceivedPacket>,
) => packets.map((each, index) => (index < at ? each : { ...each, ...change(each) }))

test('a lane that goes on has no faults', (t) => {
  t.deepEqual(laneFaults(video(20), 'video'), [])
  t.deepEqual(laneFaults(sound(50), 'audio'), [])
})

for (const [what, packets, fault] of [
  ['another SSRC', from(video(9), 6, () => ({ ssrc: 8 })), /SSRC 7 -> 8/],
  ['a packet again', [...video(3), video(3).at(-1)!], /number steps by 0/],
  ['a missing packet', video(9).filter((_, index) => index !== 6), /a hole of 1/],
  ['time that goes back', from(video(9), 8, ({ timestamp }) => ({ timestamp: timestamp - 9000 })), /back by/],
  ['a picture without an end', changed(video(9), 7, { marker: false }), /without an end/],
  ['an end within a picture', changed(video(9), 6, { marker: true }), /two pictures of one timestamp/],
  [
    'a clock that jumps',
    from(video(9), 8, ({ timestamp }) => ({ timestamp: (timestamp + 90 * 5000) >>> 0 })),
    /clock is 5000 ms off/,
  ],
] as const)
  test(`${what} is a fault`, (t) => {
    const [first, ...others] = laneFaults(packets, 'video')
    t.regex(first ?? 'none', fault)
    t.true(others.length <= 1)
  })

test('sound that repeats its time is a fault', (t) => {
  t.regex(laneFaults(changed(sound(9), 4, { timestamp: 3 * 20 * 48 }), 'audio')[0] ?? 'none', /steps by 0 ms/)
})

test('an allowed hole must end with an IDR', (t) => {
  const holed = from(video(9), 8, ({ sequence }) => ({ sequence: (sequence + 5) & 0xffff }))
  t.regex(laneFaults(holed, 'video', { holes: 1 })[0] ?? 'none', /no IDR behind the hole/)
  const healed = changed(changed(holed, 8, { ...holed[8]!, payload: SPS }), 9, { ...holed[9]!, payload: IDR })
  t.deepEqual(laneFaults(healed, 'video', { holes: 1 }), [])
  t.regex(laneFaults(healed, 'video')[0] ?? 'none', /a hole of 5/)
})
