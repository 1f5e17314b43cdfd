import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { freezes, percentile, readFrames } from '../support/frame-reader.ts'

/**
 * Runs in a page: a canvas with the barcode of the wall clock `ageMs` ago, 30 times a second, sent through a real
 * encoder and decoder (two peer connections) into a `<video>`. Answers with switches for what the tests need.
 */
async function startTestCard({ ageMs, width, height }: { ageMs: number; width: number; height: number }) {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('no canvas')
  context.scale(width / 1280, height / 720)
  let mode: 'clock' | 'wrong-checksum' | 'blank' | 'still' = 'clock'
  const draw = () => {
    if (mode === 'still') return
    const clock = (Date.now() - ageMs) % 2 ** 32
    context.fillStyle = `hsl(${(clock / 20) % 360} 60% 45%)`
    context.fillRect(0, 0, 1280, 720)
    if (mode === 'blank') return
    const bytes = [clock >>> 24, (clock >>> 16) & 255, (clock >>> 8) & 255, clock & 255]
    const checksum = bytes.reduce((sum, byte) => sum ^ byte, mode === 'wrong-checksum' ? 1 : 0)
    const bits = [...bytes, checksum].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    for (const [cell, bit] of [...`10${bits}`].entries()) {
      context.fillStyle = bit === '1' ? '#fff' : '#000'
      context.fillRect(52 + 28 * cell, 648, 28, 40)
    }
  }
  setInterval(draw, 1000 / 30)
  draw()
  const [sender, receiver] = [new RTCPeerConnection(), new RTCPeerConnection()]
  sender.onicecandidate = ({ candidate }) => void receiver.addIceCandidate(candidate ?? undefined)
  receiver.onicecandidate = ({ candidate }) => void sender.addIceCandidate(candidate ?? undefined)
  const [track] = canvas.captureStream(30).getVideoTracks()
  if (track === undefined) throw new Error('no track')
  sender.addTrack(track)
  const video = document.createElement('video')
  video.muted = true
  receiver.ontrack = ({ track }) => {
    video.srcObject = new MediaStream([track])
    void video.play()
  }
  await sender.setLocalDescription()
  await receiver.setRemoteDescription(sender.localDescription as RTCSessionDescription)
  await receiver.setLocalDescription()
  await sender.setRemoteDescription(receiver.localDescription as RTCSessionDescription)
  document.body.append(video)
  return {
    set: (next: typeof mode) => {
      mode = next
    },
  }
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, count * 1000))

test.serial('the clock in the picture is read through a codec, and freezes and junk are seen', async (t) => {
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open('about:blank')
  const { page } = watched
  const card = await page.evaluateHandle(startTestCard, { ageMs: 400, width: 1280, height: 720 })
  await page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 600)
  await using reader = await readFrames(page)

  await seconds(2)
  const steady = await reader.take()
  t.log({
    frames: steady.frames.length,
    p50: percentile(steady.latenciesMs, 0.5),
    p95: percentile(steady.latenciesMs, 0.95),
    display: percentile(
      steady.frames.flatMap((frame) => frame.displayLatencyMs ?? []),
      0.5,
    ),
    readingMs: steady.readingMs,
    missed: steady.missed,
  })
  t.true(steady.frames.length > 20)
  t.is(steady.undecodable, 0)
  // 400 ms by construction, and what the codec and the jitter buffer of this machine take on top.
  t.true(percentile(steady.latenciesMs, 0.5) >= 400)
  t.true(percentile(steady.latenciesMs, 0.5) < 700)
  // A busy machine may hold a frame back; nothing is as long as the freeze that is made next.
  t.true(Math.max(0, ...steady.freezesMs) < 600, String(steady.freezesMs))

  await card.evaluate((shown) => shown.set('still'))
  await seconds(1)
  await card.evaluate((shown) => shown.set('clock'))
  await seconds(1)
  const frozen = await reader.take()
  t.true(frozen.freezesMs.length >= 1 && Math.max(...frozen.freezesMs) > 600, String(frozen.freezesMs))

  for (const junk of ['wrong-checksum', 'blank'] as const) {
    await card.evaluate((shown, mode) => shown.set(mode), junk)
    await seconds(0.7)
    await reader.take()
    await seconds(0.5)
    const unread = await reader.take()
    t.true(unread.frames.length > 0, junk)
    t.is(unread.undecodable, unread.frames.length, junk)
  }
  t.deepEqual(watched.errors, [])
})

test.serial('a small picture is read as well, and a clock of the other side of the wrap', async (t) => {
  await using chromium = await Chromium.launch()
  await using watched = await chromium.open('about:blank')
  // So that the clock in the picture is just below 2^32 and the wall clock, modulo 2^32, just above 0.
  const now = Date.now()
  const shift = 2 ** 32 - (now % 2 ** 32) + 50
  await watched.page.evaluate((ms) => {
    const real = Date.now.bind(Date)
    Date.now = () => real() + ms
  }, shift)
  await watched.page.evaluate(startTestCard, { ageMs: 60_000, width: 640, height: 360 })
  await using reader = await readFrames(watched.page)
  await seconds(1.5)
  const reading = await reader.take()
  t.true(reading.latenciesMs.length > 10)
  t.true(reading.latenciesMs.every((latency) => latency >= 60_000 && latency < 60_700))
})

test('freezes follow the definition of webrtc-stats', (t) => {
  const steady = new Array<number>(40).fill(33)
  t.deepEqual(freezes(steady), [])
  t.deepEqual(freezes([...steady, 182, ...steady]), [])
  t.deepEqual(freezes([...steady, 184, 900, ...steady]), [184, 900])
  // At 5 frames a second three times the mean is the larger bound.
  t.deepEqual(freezes([200, 200, 200, 590, 200]), [])
  t.deepEqual(freezes([200, 200, 200, 610, 200]), [610])
})
