import test from 'ava'
import {
  beginsNal,
  clearNals,
  closeNal,
  createNalIndex,
  type NalIndex,
  scanNals,
} from '../../../common/h264/annex-b.ts'
import { BitReader } from '../../../sfu/ingress/h264/bit-reader.ts'
import { ParameterSets } from '../../../sfu/ingress/h264/parameter-sets.ts'
import { ReorderProbe } from '../../../sfu/ingress/h264/reorder-probe.ts'
import { parseSps, type SequenceParameterSet } from '../../../sfu/ingress/h264/sequence-parameter-set.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** As x264 writes it: High, 1280x720 at 30 fps, progressive, with VUI. */
const spsHigh720 = hex('67 64 00 1f ac d9 40 50 05 bb 01 6a 02 02 02 80 00 00 03 00 80 00 00 1e 07 8c 18 cb')

/** Finds the NAL units of what came in pieces that end at `cuts`. */
function indexNals(data: Buffer, index: NalIndex, cuts: readonly number[] = []): void {
  clearNals(index, 0)
  for (const to of [...cuts, data.length]) scanNals(data, to, index)
  closeNal(data, data.length, index)
}

const sps = (over: Partial<SequenceParameterSet> = {}): SequenceParameterSet => ({
  id: 0,
  profileIdc: 100,
  profile: 'High',
  width: 320,
  height: 240,
  progressive: true,
  browserFormat: true,
  frameNumBits: 4,
  pocType: 0,
  pocLsbBits: 4,
  pocDeltaAlwaysZero: false,
  separatePlanes: false,
  maxReorderFrames: null,
  frameTicks: 3000,
  ...over,
})

test('NAL units are found behind both kinds of start code, trailing zeros left out, wherever the bytes are cut', (t) => {
  const index = createNalIndex()
  const data = hex('00 00 00 01 09 f0 00 00 01 67 00 00 03 01 00 00 00 00 01 68 ce 00 00 01 41 9a 00 00')
  for (let cut = 0; cut <= data.length; cut++) {
    indexNals(data, index, [cut])
    const nals = Array.from({ length: index.count }, (_, nal) =>
      data.subarray(index.starts[nal], index.ends[nal]).toString('hex'),
    )
    t.deepEqual(nals, ['09f0', '6700000301', '68ce', '419a'])
    t.false(index.damaged)
  }
})

test('bytes before the first start code are seen; a set forbidden bit is damage', (t) => {
  for (const text of ['12 00 00 01 41 9a', '41 9a 12 13', '00 01 41', '00 00', '']) {
    const data = hex(text)
    t.false(beginsNal(data, 0, data.length), text)
  }
  for (const text of ['00 00 01 41 9a', '00 00 00 00 01 41']) {
    const data = hex(text)
    t.true(beginsNal(data, 0, data.length), text)
  }
  const index = createNalIndex()
  indexNals(hex('00 00 01 c1 9a'), index)
  t.true(index.damaged)
})

test('the bit reader leaves emulation prevention bytes out and stops at the end', (t) => {
  const reader = new BitReader(hex('00 00 03 01 a6'), 0, 5)
  t.is(reader.bits(24), 1)
  t.is(reader.unsigned(), 0)
  t.is(reader.unsigned(), 1)
  t.is(reader.signed(), -1)
  t.false(reader.overrun)
  reader.bits(8)
  t.true(reader.overrun)
})

test('an SPS of x264 is read to the end of its VUI', (t) => {
  const parsed = parseSps(spsHigh720, 0, spsHigh720.length)
  t.like(parsed, {
    profile: 'High',
    width: 1280,
    height: 720,
    progressive: true,
    browserFormat: true,
    pocType: 0,
  })
  t.is(parsed?.frameTicks, 3000)
  t.not(parsed?.maxReorderFrames, null)
})

test('every truncation and every flipped bit of an SPS gives an answer without throwing', (t) => {
  for (let length = 0; length < spsHigh720.length; length++)
    t.notThrows(() => parseSps(spsHigh720, 0, length))
  for (let bit = 0; bit < spsHigh720.length * 8; bit++) {
    const damaged = Buffer.from(spsHigh720)
    damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7))
    t.notThrows(() => parseSps(damaged, 0, damaged.length))
  }
})

test('parameter sets: a PPS needs its SPS, a changed SPS voids its PPS, ids cannot fill the memory', (t) => {
  const sets = new ParameterSets()
  const pps = hex('68 eb e3 cb 22 c0') // pps 0, sps 0
  t.is(sets.addPps(pps, 0, pps.length), 'changed')
  t.is(sets.active(0), null)
  t.is(sets.addSps(spsHigh720, 0, spsHigh720.length), 'changed')
  t.is(sets.active(0), null, 'sent before its SPS: stale')
  t.is(sets.addPps(pps, 0, pps.length), 'changed')
  t.is(sets.addPps(pps, 0, pps.length), 'same')
  t.is(sets.active(0)?.width, 1280)
  const needed: string[] = []
  sets.forEachNeeded(0, (nal) => needed.push(nal.toString('hex')))
  t.deepEqual(needed, [spsHigh720.toString('hex'), pps.toString('hex')])
  const other = Buffer.from(spsHigh720)
  other[3] = 0x28
  t.is(sets.addSps(other, 0, other.length), 'changed')
  t.is(sets.active(0), null)
  for (let id = 0; id < 256; id++) {
    // ue(v) of id and of 0, then a stop bit
    const bits = `${'0'.repeat(Math.floor(Math.log2(id + 1)))}${(id + 1).toString(2)}11`.padEnd(24, '0')
    const nal = Buffer.from([0x68, ...(bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2))])
    t.is(sets.addPps(nal, 0, nal.length), 'changed')
  }
  let count = 0
  sets.forEachNeeded(255, () => count++)
  t.true(count <= 17)
})

test('order is believed at once from Baseline, from the VUI and from POC type 2', (t) => {
  for (const over of [{ profileIdc: 66 }, { maxReorderFrames: 0 }, { pocType: 2 }]) {
    const probe = new ReorderProbe()
    probe.configure(sps(over))
    t.is(probe.verdict, 'in-order')
  }
})

test('a silent stream is observed for half a second, a stream that allows reordering for a second', (t) => {
  for (const [maxReorderFrames, frames] of [
    [null, 16],
    [2, 31],
  ] as const) {
    const probe = new ReorderProbe()
    probe.configure(sps({ maxReorderFrames }))
    for (let frame = 0; frame < frames - 1; frame++) probe.picture(frame * 3000, false)
    t.is(probe.verdict, 'unknown')
    probe.picture((frames - 1) * 3000, false)
    t.is(probe.verdict, 'in-order')
  }
})

test('B slices are found at once, reordered PTS soon, a single reset never', (t) => {
  const slices = new ReorderProbe()
  slices.configure(sps())
  slices.picture(0, false)
  slices.picture(9000, true)
  t.is(slices.verdict, 'reordered')

  const order = new ReorderProbe()
  order.configure(sps({ maxReorderFrames: 0 }))
  for (const pts of [0, 9000, 3000, 6000, 18_000, 12_000, 15_000, 27_000, 21_000]) order.picture(pts, false)
  t.is(order.verdict, 'reordered')

  const reset = new ReorderProbe()
  reset.configure(sps({ maxReorderFrames: 0 }))
  for (let frame = 0; frame < 200; frame++)
    reset.picture(frame < 100 ? frame * 3000 : (frame - 20) * 3000, false)
  t.is(reset.verdict, 'in-order')
})

test('a stream whose B-frames were switched off is good again after two seconds', (t) => {
  const probe = new ReorderProbe()
  probe.configure(sps())
  probe.picture(0, true)
  for (let frame = 1; frame < 60; frame++) probe.picture(frame * 3000, false)
  t.is(probe.verdict, 'reordered')
  probe.picture(60 * 3000, false)
  t.is(probe.verdict, 'in-order')
})

test("a sender does not inherit its predecessor's steps back", (t) => {
  const probe = new ReorderProbe()
  probe.configure(sps({ maxReorderFrames: 0 }))
  for (const pts of [0, 9000, 3000, 6000, 18_000, 12_000]) probe.picture(pts, false)
  probe.restart()
  for (const pts of [90_000, 93_000, 60_000, 63_000]) probe.picture(pts, false)
  t.is(probe.verdict, 'in-order')
})
