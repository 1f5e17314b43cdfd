import test from 'ava'
import { Demuxer, type DemuxIssue } from '../../../common/mpegts/demuxer.ts'
import type { StreamEntry } from '../../../common/mpegts/psi-tables.ts'
import { encodeTemiPacket } from '../../../common/temi.ts'
import { TsWriter } from './mpegts-writer.ts'

const pmtPid = 0x100
const pid = 0x101

interface Unit {
  readonly pid: number
  readonly data: Buffer
  readonly pts: number
}

class Recorder {
  readonly units: Unit[] = []
  readonly issues: DemuxIssue[] = []
  readonly programs: StreamEntry[][] = []
  readonly stamps: [number, number][] = []
  lost = 0
  readonly demuxer: Demuxer

  constructor(maxBytes = 100_000) {
    this.demuxer = new Demuxer(
      {
        program: (streams) => {
          this.programs.push([...streams])
          this.demuxer.select(streams.map((stream) => ({ pid: stream.pid, maxBytes })))
        },
        unit: (from, data, start, end, pts) =>
          this.units.push({ pid: from, data: Buffer.from(data.subarray(start, end)), pts }),
        lost: () => {
          this.lost += 1
        },
        temi: (pts, unixMs) => this.stamps.push([pts, unixMs]),
        issue: (kind) => this.issues.push(kind),
      },
      { maxStreams: 32, maxPids: 64 },
    )
  }
}

const bytes = (length: number, seed = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff))

function tables(writer: TsWriter): Buffer {
  return Buffer.concat([writer.pat([[1, pmtPid]]), writer.pmt(pmtPid, 1, [{ pid, streamType: 0x1b }])])
}

test('a unit without length leaves with its padded last packet, one with length with its last byte', (t) => {
  for (const withLength of [false, true]) {
    const writer = new TsWriter()
    const recorder = new Recorder()
    recorder.demuxer.push(tables(writer))
    const payload = bytes(1000)
    recorder.demuxer.push(writer.pes(pid, payload, { pts: 2 ** 33 - 1, withLength }))
    t.is(recorder.units.length, 1)
    t.deepEqual(recorder.units[0]!.data, payload)
    t.is(recorder.units[0]!.pts, 2 ** 33 - 1)
    t.deepEqual(recorder.issues, [])
  }
})

test('a unit without length that fills its packets leaves when the next begins', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  const payload = bytes(184 * 3 - 14)
  recorder.demuxer.push(writer.pes(pid, payload, { pts: 9000 }))
  t.is(recorder.units.length, 0)
  recorder.demuxer.push(writer.pes(pid, payload, { pts: 12_000 }))
  t.is(recorder.units.length, 1)
  t.deepEqual(recorder.units[0]!.data, payload)
})

test('units of one packet leave at once as soon as the muxer has shown what padding means', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  const seen: number[] = []
  for (let unit = 0; unit < 6; unit++) {
    recorder.demuxer.push(writer.pes(pid, bytes(50, unit), { pts: unit * 3000 }))
    seen.push(recorder.units.length)
  }
  t.deepEqual(seen, [0, 1, 2, 4, 5, 6])
  t.deepEqual(
    recorder.units.map(({ data }) => data),
    [0, 1, 2, 3, 4, 5].map((unit) => bytes(50, unit)),
  )
})

test('a muxer that pads inside units costs one unit, then its padding is not believed any more', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  for (let unit = 0; unit < 4; unit++) {
    recorder.demuxer.push(writer.pes(pid, bytes(900, unit), { pts: unit * 3000, fill: 150 }))
  }
  t.deepEqual(
    recorder.units.slice(1).map(({ data }) => data),
    [1, 2].map((unit) => bytes(900, unit)),
  )
  t.deepEqual(recorder.issues, ['pes_truncated'])
  t.is(recorder.lost, 1)
})

test('a lost packet costs its unit and is told; a repeated one costs nothing', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  const first = writer.pes(pid, bytes(1000), { pts: 0 })
  recorder.demuxer.push(Buffer.concat([first.subarray(0, 376), first.subarray(188)]))
  t.deepEqual(
    recorder.units.map(({ data }) => data),
    [bytes(1000)],
  )
  const second = writer.pes(pid, bytes(1000), { pts: 3000 })
  recorder.demuxer.push(Buffer.concat([second.subarray(0, 188), second.subarray(376)]))
  recorder.demuxer.push(writer.pes(pid, bytes(1000, 2), { pts: 6000 }))
  t.deepEqual(
    recorder.units.map(({ pts }) => pts),
    [0, 6000],
  )
  t.deepEqual(recorder.issues, ['continuity_error'])
  t.is(recorder.lost, 1)
})

test('15 lost packets, after which the counter looks like a repetition, are a loss all the same', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  const unit = writer.pes(pid, bytes(184 * 30, 3), { pts: 0 })
  recorder.demuxer.push(Buffer.concat([unit.subarray(0, 188 * 3), unit.subarray(188 * 18)]))
  recorder.demuxer.push(writer.pes(pid, bytes(1000, 2), { pts: 6000 }))
  t.deepEqual(
    recorder.units.map(({ pts }) => pts),
    [6000],
  )
  t.deepEqual(recorder.issues, ['continuity_error'])
})

test('an announced discontinuity is no error', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  recorder.demuxer.push(writer.pes(pid, bytes(300), { pts: 0 }))
  writer.lose(pid, 5)
  recorder.demuxer.push(writer.pes(pid, bytes(300), { pts: 3000, discontinuity: true, fill: 180 }))
  recorder.demuxer.push(writer.pes(pid, bytes(300), { pts: 6000 }))
  t.deepEqual(recorder.issues, [])
  t.is(recorder.units.length, 3)
})

test('sync is found again after garbage, and any cutting of the bytes gives the same units', (t) => {
  const writer = new TsWriter()
  const stream = Buffer.concat([
    tables(writer),
    ...Array.from({ length: 20 }, (_, unit) => writer.pes(pid, bytes(700, unit), { pts: unit * 3000 })),
  ])
  for (const size of [1, 50, 187, 188, 189, 1316, 1472, 100_000]) {
    const recorder = new Recorder()
    for (let at = 0; at < stream.length; at += size) recorder.demuxer.push(stream.subarray(at, at + size))
    t.is(recorder.units.length, 20, `chunks of ${size}`)
    t.deepEqual(recorder.issues, [])
  }
  const recorder = new Recorder()
  recorder.demuxer.push(stream)
  recorder.demuxer.push(bytes(5000, 9))
  const more = new TsWriter()
  recorder.demuxer.reset()
  recorder.demuxer.push(bytes(333, 4))
  for (let unit = 0; unit < 3; unit++) recorder.demuxer.push(more.pes(pid, bytes(700, unit), { pts: unit }))
  t.is(recorder.units.length, 23)
  t.true(recorder.issues.includes('sync_lost'))
})

test('a block lost between two halves of a packet does not splice foreign bytes into a unit', (t) => {
  const writer = new TsWriter()
  const stream = Buffer.concat([
    tables(writer),
    ...Array.from({ length: 12 }, (_, unit) => writer.pes(pid, bytes(1700, unit), { pts: unit * 3000 })),
  ])
  const size = 1472
  const recorder = new Recorder()
  for (let at = 0, block = 0; at < stream.length; at += size, block++) {
    if (block !== 5) recorder.demuxer.push(stream.subarray(at, at + size))
  }
  for (const unit of recorder.units) t.deepEqual(unit.data, bytes(1700, unit.pts / 3000))
  t.true(recorder.units.length >= 9)
})

test('tables: several packets, a new version, a damaged one, another program number', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  const streams = Array.from({ length: 30 }, (_, index) => ({
    pid: 0x200 + index,
    streamType: 0x06,
    descriptors: [0x05, 4, 0x4f, 0x70, 0x75, 0x73, 0x7f, 2, 0x80, 2],
  }))
  recorder.demuxer.push(
    writer.pat([
      [0, 0x10],
      [7, pmtPid],
      [8, 0x300],
    ]),
  )
  recorder.demuxer.push(writer.pmt(pmtPid, 9, [{ pid, streamType: 0x1b }]))
  recorder.demuxer.push(writer.pmt(pmtPid, 7, streams))
  recorder.demuxer.push(writer.pmt(pmtPid, 7, streams))
  t.is(recorder.programs.length, 1)
  t.is(recorder.programs[0]!.length, 30)
  t.deepEqual(recorder.programs[0]![3], {
    pid: 0x203,
    streamType: 0x06,
    registration: 'Opus',
    opusChannels: 2,
    dvbCodec: null,
  })
  const damaged = writer.pmt(pmtPid, 7, [{ pid, streamType: 0x1b }], 1)
  damaged[20] = damaged[20]! ^ 0x40
  recorder.demuxer.push(damaged)
  t.deepEqual(recorder.issues, ['crc_error'])
  recorder.demuxer.push(writer.pmt(pmtPid, 7, [{ pid, streamType: 0x1b }], 2))
  t.deepEqual(
    recorder.programs[1]!.map((stream) => stream.pid),
    [pid],
  )
  recorder.demuxer.push(writer.pat([[8, 0x300]], 1))
  recorder.demuxer.push(writer.pmt(0x300, 8, [{ pid: 0x111, streamType: 0x1b }]))
  t.deepEqual(
    recorder.programs[2]!.map((stream) => stream.pid),
    [0x111],
  )
})

test('bad units are told by kind and memory stays within its bounds', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder(20_000)
  recorder.demuxer.push(tables(writer))
  recorder.demuxer.push(writer.pes(pid, bytes(50_000), { pts: 0 }))
  t.true(recorder.demuxer.bufferedBytes <= 20_000)
  recorder.demuxer.push(writer.packet(pid, bytes(184), true))
  recorder.demuxer.push(writer.packet(pid, bytes(100), false))
  const whole = writer.pes(pid, bytes(1000), { pts: 0, withLength: true })
  recorder.demuxer.push(whole.subarray(0, 188 * 3))
  writer.lose(pid, -3)
  recorder.demuxer.push(writer.pes(pid, bytes(1000), { pts: 3000, withLength: true }))
  const scrambled = writer.pes(pid, bytes(100), { pts: 0, withLength: true })
  scrambled[3] = scrambled[3]! | 0x80
  recorder.demuxer.push(scrambled)
  t.deepEqual(recorder.issues, ['pes_oversize', 'pes_malformed', 'pes_truncated', 'scrambled'])
  t.deepEqual(
    recorder.units.map(({ pts }) => pts),
    [3000],
  )
})

test('more PIDs than any sender needs are told once', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  for (let round = 0; round < 3; round++) {
    for (let other = 0; other < 200; other++) recorder.demuxer.push(writer.pes(0x300 + other, bytes(10)))
  }
  t.deepEqual(recorder.issues, ['too_many_pids'])
})

test('a TEMI packet is read back, and does not disturb the unit around it', (t) => {
  const writer = new TsWriter()
  const recorder = new Recorder()
  recorder.demuxer.push(tables(writer))
  const unit = writer.pes(pid, bytes(1000), { pts: 3000 })
  const captureUnixMs = 1_800_000_000_123.25
  const stamp = encodeTemiPacket({
    pid,
    continuityCounter: (writer.lastCounter(pid) - 3) & 15,
    pts: 2 ** 33 - 5,
    captureUnixMs,
  })
  t.is(stamp.length, 188)
  recorder.demuxer.push(Buffer.concat([unit.subarray(0, 376), stamp, unit.subarray(376)]))
  t.deepEqual(
    recorder.units.map(({ data }) => data),
    [bytes(1000)],
  )
  t.deepEqual(recorder.issues, [])
  const [pts32, unixMs] = recorder.stamps[0]!
  t.is(pts32, 2 ** 32 - 5)
  t.true(Math.abs(unixMs - captureUnixMs) < 0.001)
})
