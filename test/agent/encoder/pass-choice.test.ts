import test from 'ava'
import { hasBSlice, hasIdr, whyNotShown } from '../../../agent/encoder/pass-through/h264-unit.ts'
import { PassChoice, type PassVerdict } from '../../../agent/encoder/pass-through/pass-choice.ts'

/** Seconds of a source at 30 pictures a second; the last verdict. */
function play(
  choice: PassChoice,
  {
    seconds,
    kbps = 1000,
    roomKbps = 2000,
    b = false,
    from,
  }: { seconds: number; kbps?: number; roomKbps?: number; b?: boolean; from: { ms: number } },
): PassVerdict {
  let verdict: PassVerdict = 'hold'
  for (let picture = 0; picture < seconds * 30; picture += 1) {
    from.ms += 1000 / 30
    verdict = choice.unit((kbps * 1000) / 8 / 30, b && picture % 3 === 2, roomKbps, from.ms)
  }
  return verdict
}

const choiceOf = (mode: 'auto' | 'always' | 'never', obstacle: string | null = null, baseline = false) => {
  const choice = new PassChoice({ mode, canEncode: mode !== 'always' })
  choice.stream(obstacle, baseline)
  return choice
}

test('a stream is held until eight pictures show no B-slice; baseline has none', (t) => {
  const choice = choiceOf('auto')
  t.deepEqual(
    Array.from({ length: 9 }, (_, picture) => choice.unit(1000, false, 2000, picture * 33)),
    [...Array<string>(7).fill('hold'), 'pass', 'pass'],
  )
  t.is(choiceOf('auto', null, true).unit(1000, false, 2000, 0), 'pass')
})

test('B-slices, or what browsers do not show, have it encoded; for good', (t) => {
  const from = { ms: 0 }
  const choice = choiceOf('auto')
  t.is(play(choice, { seconds: 1, b: true, from }), 'encode')
  t.is(play(choice, { seconds: 20, from }), 'encode')
  t.is(choice.obstacle, 'it has B-frames')
  t.is(play(choiceOf('auto', 'it is interlaced'), { seconds: 1, from }), 'encode')
  t.is(play(choiceOf('never', null, true), { seconds: 1, from }), 'encode')
  choice.stream(null, true)
  t.is(play(choice, { seconds: 1, from }), 'pass')
})

test('a source beyond the bitrate is encoded within two seconds, and passes again after ten with room', (t) => {
  const from = { ms: 0 }
  const choice = choiceOf('auto')
  t.is(play(choice, { seconds: 5, from }), 'pass')
  t.is(play(choice, { seconds: 2, roomKbps: 800, from }), 'encode')
  t.is(play(choice, { seconds: 9, roomKbps: 1500, from }), 'encode')
  t.is(play(choice, { seconds: 3, roomKbps: 1500, from }), 'pass')
  // Little more than it has is no reason for a change.
  t.is(play(choice, { seconds: 20, roomKbps: 950, from }), 'pass')
  t.is(play(choiceOf('always', null, true), { seconds: 10, roomKbps: 100, from }), 'pass')
})

test('slices tell their type', (t) => {
  // first_mb_in_slice 0 (1), slice_type as Exp-Golomb.
  const unit = (type: number, header: string) =>
    Buffer.from(`00000001${type.toString(16).padStart(2, '0')}${header}`, 'hex')
  const table = [
    { slice: 'P', header: 'c0ffffff', b: false },
    { slice: 'B', header: 'a0ffffff', b: true },
    { slice: 'P of all', header: '98ffffff', b: false },
    { slice: 'B of all', header: '9cffffff', b: true },
  ]
  for (const { slice, header, b } of table) t.is(hasBSlice(unit(0x41, header)), b, slice)
  t.false(hasBSlice(unit(0x65, 'a0ffffff')))
  t.true(hasIdr(unit(0x65, 'a0ffffff')))
  t.false(hasIdr(unit(0x41, 'c0ffffff')))
  t.false(hasBSlice(Buffer.from('00000001', 'hex')))
})

test('caps tell what browsers show', (t) => {
  const caps = (more: string) => `video/x-h264, stream-format=(string)byte-stream, ${more}`
  const progressive =
    'interlace-mode=(string)progressive, chroma-format=(string)4:2:0, bit-depth-luma=(uint)8'
  t.is(whyNotShown(caps(`profile=(string)high, ${progressive}`)), null)
  t.is(whyNotShown(caps('profile=(string)constrained-baseline')), null)
  t.regex(whyNotShown(caps(`profile=(string)high-10, ${progressive}`))!, /high-10/)
  t.regex(whyNotShown(caps('profile=(string)main, interlace-mode=(string)mixed'))!, /interlaced/)
  t.regex(whyNotShown(caps('width=(int)640'))!, /unknown/)
})
