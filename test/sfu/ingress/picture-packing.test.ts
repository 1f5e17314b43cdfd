import { createHash } from 'node:crypto'
import test from 'ava'
import { generateTs } from '../../support/media-generator.ts'
import { cutPes, PES_CUTS, picturesOf } from '../../support/pes-cutter.ts'
import { PipelineHarness } from './pipeline-harness.ts'
import { depacketizeH264, type RtpPacket } from './rtp-depacketizer.ts'

/** Pictures that their encoder spread over several PES packets. */

const FRAME_TICKS = 3000

/** Four slices a picture, and pictures larger than one packet of `chunks`. */
const sliced = (): Promise<Buffer> => generateTs('high-slices', { size: '640x360' })

/** A picture's NAL units in a few characters, for comparing. */
const digest = (nals: readonly Buffer[]): string =>
  nals.map((nal) => createHash('sha1').update(nal).digest('base64')).join(' ')

const gaps = (packets: readonly RtpPacket[]): number =>
  packets.slice(1).filter((packet, index) => packet.sequence !== ((packets[index]!.sequence + 1) & 0xffff))
    .length

for (const cut of PES_CUTS) {
  test(`${cut}: every picture leaves as it went in, with one timestamp, and marked at its end`, async (t) => {
    const ts = await sliced()
    const expected = picturesOf(ts)
    const harness = new PipelineHarness()
    harness.play(cutPes(ts, cut), 4)
    t.deepEqual(harness.refusals, [])
    // The depacketizer is strict about markers and timestamps. Nothing shows where the last picture ends.
    const units = depacketizeH264(harness.video())
    t.true(units.length >= expected.length - 2, `${units.length} of ${expected.length}`)
    t.deepEqual(
      units.map(({ nals }) => digest(nals)),
      expected.slice(0, units.length).map(digest),
    )
    const times = units.map(({ timestamp }) => timestamp)
    t.true(times.slice(1).every((time, index) => time - times[index]! === FRAME_TICKS))
    t.is(gaps(harness.video()), 0)
    t.deepEqual([...harness.issues], [])
    t.deepEqual(harness.keyframeRequests, [])
  })
}

for (const cut of ['slices', 'chunks'] as const) {
  test(`${cut} from one picture to the next: one is cut short, the next that leaves is a keyframe`, async (t) => {
    const ts = await sliced()
    const expected = picturesOf(ts).map(digest)
    const harness = new PipelineHarness()
    harness.play(cutPes(ts, cut, 50), 4)
    const units = depacketizeH264(harness.video())
    const spoilt = units.flatMap(({ nals }, index) => (expected.includes(digest(nals)) ? [] : [index]))
    t.deepEqual(spoilt, [50])
    t.deepEqual(
      units.slice(51).map(({ nals }) => digest(nals)),
      expected.slice(60, units.length + 9),
      'from the keyframe on',
    )
    t.is(gaps(harness.video()), 1)
    t.is(harness.issues.get('access_unit_dropped'), 1)
    t.is(harness.keyframeRequests[0], null)
    t.deepEqual(harness.refusals, [])
  })
}

test('of slices in packets of their own one is lost: its picture is left out as a whole, and once', async (t) => {
  const ts = await sliced()
  const expected = picturesOf(ts).map(digest)
  const cut = cutPes(ts, 'slices')
  const starts: number[] = []
  for (let at = 0; at < cut.length; at += 188) if (cut.readUInt16BE(at + 1) === 0x4100) starts.push(at)
  // Picture 20 begins with packet 80: its second slice goes.
  const [from, to] = [starts[81]!, starts[82]!]
  const harness = new PipelineHarness()
  harness.play(Buffer.concat([cut.subarray(0, from), cut.subarray(to)]), 4)
  const units = depacketizeH264(harness.video()).map(({ nals }) => digest(nals))
  t.deepEqual(units, [...expected.slice(0, 20), ...expected.slice(21, -1)])
  t.is(gaps(harness.video()), 1)
  t.is(harness.issues.get('access_unit_dropped'), 1)
})

test('pictures that come whole again leave at once again', async (t) => {
  const ts = await generateTs('high-slices', { seconds: 20 })
  const harness = new PipelineHarness()
  const halves = Buffer.concat([cutPes(ts.subarray(0, 376 + 188 * 200), 'slices'), ts])
  harness.pipeline.push(halves.subarray(0, halves.length - ts.length))
  harness.play(ts, 20)
  const whole = picturesOf(ts)
  t.is(
    digest(depacketizeH264(harness.video()).at(-1)!.nals),
    digest(whole.at(-1)!),
    'the last one waits for no other',
  )
})

test('a picture whose end nothing shows leaves when nothing came for long', async (t) => {
  const harness = new PipelineHarness()
  const ts = await sliced()
  harness.play(cutPes(ts, 'slices'), 4)
  const count = (): number => depacketizeH264(harness.video()).length
  const before = count()
  harness.nowMs += 400
  harness.pipeline.tick()
  t.is(count(), before)
  harness.nowMs += 200
  harness.pipeline.tick()
  t.is(count(), before + 1)
})
