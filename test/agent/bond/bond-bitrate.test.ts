import test from 'ava'
import { bitrateStep } from '../../../agent/bond/bond-bitrate.ts'
import { bondTerms, NO_SETTINGS } from '../../../agent/bond/bond-terms.ts'
import { encoderKbps, nothingShed, shed } from '../../../agent/bond/rendition-shedding.ts'

const BOUNDS = { min: 400, max: 8000 }
const SIZES = { pixels: [640 * 360, 1280 * 720], fps: 30, soundKbps: 64 }

test('the bitrate falls at once and rises gently, within its bounds', (t) => {
  t.is(bitrateStep(5000, 1500, BOUNDS, 100), 1500)
  t.is(bitrateStep(5000, 100, BOUNDS, 100), 400)
  t.is(bitrateStep(7990, 20_000, BOUNDS, 100), 8000)
  let kbps = 2000
  for (let second = 0; second < 1; second += 0.1) kbps = bitrateStep(kbps, 8000, BOUNDS, 100)
  t.true(kbps > 2100 && kbps < 2600, `${kbps} after a second`)
})

test('the largest rendition goes first, the smallest stays, and what was given up comes back when there is room', (t) => {
  let shedding = nothingShed(2)
  shedding = shed(shedding, 3000, SIZES, 0)
  t.is(shedding.sent, 2)
  shedding = shed(shedding, 900, SIZES, 100)
  t.is(shedding.sent, 1)
  shedding = shed(shedding, 10, SIZES, 200)
  t.is(shedding.sent, 1)
  for (let now = 300; now < 3200; now += 100) shedding = shed(shedding, 2500, SIZES, now)
  t.is(shedding.sent, 1)
  shedding = shed(shedding, 2500, SIZES, 3400)
  t.is(shedding.sent, 2)
})

test('a bitrate that hovers does not bring a rendition back and take it again', (t) => {
  let shedding = shed(nothingShed(2), 900, SIZES, 0)
  let changes = 0
  for (let now = 0; now < 60_000; now += 100) {
    const next = shed(shedding, 1150 + 150 * Math.sin(now / 700), SIZES, now)
    if (next.sent !== shedding.sent) changes += 1
    shedding = next
  }
  t.is(changes, 0)
})

test('an encoder that splits by pixels is asked for so much that the renditions that are sent have all of the target', (t) => {
  t.is(encoderKbps(1000, 2, SIZES.pixels, 64), 1000)
  const asked = encoderKbps(1000, 1, SIZES.pixels, 64)
  t.is(Math.round((asked - 64) / 5), 1000 - 64)
  t.is(encoderKbps(1000, 1, [], 0), 1000)
})

test('the terms of a contract are narrowed by the broadcast, never widened', (t) => {
  const contract = {
    abr: { min_kbps: 400, start_kbps: 2500, max_kbps: 6000 },
    pacing: { target_kbps: 2500, max_kbps: 9000, burst_ms: 10 },
    buffer: { start_ms: 100, min_ms: 100, max_ms: 300, rtt_multiple: 4 },
  }
  const use = new Map([
    [0, 100],
    [2, 50],
  ])
  const plain = bondTerms(contract, use, NO_SETTINGS)
  t.deepEqual(plain.kbps, { min: 400, start: 2500, max: 6000 })
  t.deepEqual(plain.links, [0, 2])
  t.is(plain.use, 'share')
  t.is(bondTerms(contract, new Map([[0, 0]]), NO_SETTINGS).use, 'copies')
  const narrow = bondTerms(contract, use, { ...NO_SETTINGS, kbps: { min: 600, max: 2000 } })
  t.deepEqual(narrow.kbps, { min: 600, start: 2000, max: 2000 })
  const beside = bondTerms(contract, use, { ...NO_SETTINGS, kbps: { min: 50, max: 100 } })
  t.deepEqual(beside.kbps, { min: 400, start: 400, max: 400 })
  t.is(bondTerms({ ...contract, buffer: null }, use, NO_SETTINGS).bufferMs, 300)
})
