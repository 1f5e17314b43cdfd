import test from 'ava'
import { captureTimeOfWallClockPts, TsStamper } from '../../agent/ts-stamper.ts'

const VIDEO_PID = 0x100
const AUDIO_PID = 0x101

/** A TS packet; with a PTS it starts a PES packet of the stream. */
function packet(pid: number, continuityCounter: number, pts?: number, streamId = 0xe0): Buffer {
  const bytes = Buffer.alloc(188, 0xff)
  bytes[0] = 0x47
  bytes.writeUInt16BE((pts === undefined ? 0 : 0x4000) | pid, 1)
  bytes[3] = 0x10 | continuityCounter
  if (pts === undefined) return bytes
  const low = pts % 2 ** 15
  const middle = Math.floor(pts / 2 ** 15) % 2 ** 15
  const high = Math.floor(pts / 2 ** 30)
  bytes.set([0, 0, 1, streamId, 0, 0, 0x80, 0x80, 5, 0x21 | (high << 1)], 4)
  bytes.writeUInt16BE((middle << 1) | 1, 14)
  bytes.writeUInt16BE((low << 1) | 1, 16)
  return bytes
}

function stamp(chunks: readonly Buffer[], intervalMs = 333): Buffer[] {
  const packets: Buffer[] = []
  const stamper = new TsStamper({
    captureUnixMs: (pts) => 1_700_000_000_000 + pts / 90,
    intervalMs,
    onPackets: (bytes) => {
      t188(bytes)
      for (let offset = 0; offset < bytes.length; offset += 188)
        packets.push(bytes.subarray(offset, offset + 188))
    },
  })
  for (const chunk of chunks) stamper.push(chunk)
  return packets
}

function t188(bytes: Buffer): void {
  if (bytes.length % 188 !== 0) throw new Error(`${bytes.length} bytes are no whole packets`)
}

const isStamp = (bytes: Buffer): boolean => (bytes[3]! & 0x30) === 0x20

test('a stamp goes in front of a picture, about three a second, per video stream', (t) => {
  const frames = Array.from({ length: 90 }, (_, index) => packet(VIDEO_PID, index % 16, index * 3000))
  const packets = stamp(frames)
  const stamps = packets.filter(isStamp)
  t.is(stamps.length, 9)
  t.is(packets.length, 99)
  t.true(isStamp(packets[0]!))
  t.is(packets[0]!.readUInt16BE(1) & 0x1fff, VIDEO_PID)
})

test('a stamp repeats the continuity counter of the packet before it', (t) => {
  const packets = stamp([packet(VIDEO_PID, 7, 0), packet(VIDEO_PID, 8), packet(VIDEO_PID, 9, 90_000)])
  t.deepEqual(
    packets.map((bytes) => [isStamp(bytes), bytes[3]! & 0x0f]),
    [
      [true, 6],
      [false, 7],
      [false, 8],
      [true, 8],
      [false, 9],
    ],
  )
})

test('other streams pass as they are', (t) => {
  const audio = packet(AUDIO_PID, 0, 0, 0xbd)
  t.deepEqual(stamp([audio]), [audio])
})

test('bytes cut anywhere come out as the same packets', (t) => {
  const frames = Array.from({ length: 60 }, (_, index) =>
    packet(VIDEO_PID, index % 16, index % 6 === 0 ? index * 500 : undefined),
  )
  const whole = Buffer.concat(frames)
  const pieces: Buffer[] = []
  for (let offset = 0, size = 1; offset < whole.length; offset += size, size = (size * 7 + 3) % 977) {
    size = Math.max(size, 1)
    pieces.push(whole.subarray(offset, offset + size))
  }
  t.deepEqual(Buffer.concat(stamp(pieces)), Buffer.concat(stamp([whole])))
})

test('what is no TS packet is skipped', (t) => {
  const frame = packet(VIDEO_PID, 1)
  t.deepEqual(stamp([Buffer.concat([Buffer.from([1, 2, 3]), frame])]), [frame])
})

test('a PTS made from the wall clock is the capture time, across the wrap', (t) => {
  const now = 1_800_000_000_000
  for (const offset of [-5000, 0, 40, 2 ** 33 / 90 / 3]) {
    const captured = now + Math.round(offset)
    const pts = (captured * 90) % 2 ** 33
    t.true(Math.abs(captureTimeOfWallClockPts(pts, now) - captured) < 0.1)
  }
})
