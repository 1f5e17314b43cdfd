import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { Chromium } from '../support/chromium.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { type PublishOptions, RtcPage } from '../support/rtc-page.ts'
import { type Step, steps, TICKS_PER_MS } from '../support/rtp-timeline.ts'
import { until } from '../support/until.ts'
import { untilState, useToken } from '../support/watch-page.ts'
import { type ReceivedTrack, WeriftViewer } from '../support/werift-viewer.ts'

/** A WebRTC publisher that comes back feeds the lane that its viewers watch: their consumers notice nothing. */

const KINDS = ['video', 'audio'] as const
/** Past this, mediasoup and browsers take a jump for a new stream (RFC 3550 appendix A.1, MAX_DROPOUT). */
const MAX_DROPOUT = 3000
/** From the first packet after an interruption to the first picture on the screen, ms. */
const PICTURE_WITHIN_MS = 1000
/** An interruption: more than browsers leave between two pictures, ms. */
const SILENCE_MS = 500
/** RTP time goes on with real time across an interruption, ms: as precisely as a busy machine delivers packets. */
const CLOCK_TOLERANCE_MS = 1000

const stack = new AsyncDisposableStack()
let hub: TestHub
let chromium: Chromium
let publisher: string
let viewer: string

test.before(async () => {
  hub = stack.use(await startHub([], { workers: 1 }))
  chromium = stack.use(await Chromium.launch({ publish: true }))
  publisher = await hub.issueToken({ role: 'publisher' })
  viewer = await hub.issueToken({ role: 'viewer' })
})
test.after.always(() => stack.disposeAsync())

/** Who watches by protoo and who watches by WHEP, and how both are before an interruption. */
async function watch(t: ExecutionContext, streamId: string) {
  const watching = new AsyncDisposableStack()
  const protoo = watching.use(await WeriftViewer.open(hub.url, streamId, { token: viewer }))
  const tracks = await Promise.all(KINDS.map((kind) => protoo.track(kind)))
  const whep = watching.use(await RtcPage.open(chromium))
  const answer = await whep.watch(`${hub.url}/whep/${streamId}`, viewer)
  t.is(answer.status, 201, answer.body)
  await until(async () => (await whep.media()).frames > 5, 'pictures by WHEP', 20_000)
  await until(() => tracks.every(({ packets }) => packets.length > 20), 'packets of both kinds')
  const ssrcs = await whepSsrcs(whep)
  await whep.page.evaluate(NOTE_PICTURES)
  const known = protoo.tracks.length
  return {
    /** Packets and pictures come again, and nothing else changed. */
    async goesOn(what: string): Promise<void> {
      const from = tracks.map(({ packets }) => packets.length)
      const { frames } = await whep.media()
      await until(
        () => tracks.every(({ packets }, index) => packets.length > from[index]! + 30),
        `${what}: packets of both kinds`,
        30_000,
      )
      await until(async () => (await whep.media()).frames > frames + 10, `${what}: pictures by WHEP`, 10_000)
      t.is(protoo.tracks.length, known, 'no other consumer was made')
      t.true(
        tracks.every(({ closed }) => !closed),
        'none was closed',
      )
      t.deepEqual(protoo.rejoins, [])
      t.is(protoo.joins.length, 1)
      t.deepEqual(await whepSsrcs(whep), ssrcs)
      for (const track of tracks) assertGoesOn(t, what, track)
      const shownAt = z.array(z.number()).parse(await whep.page.evaluate('shownAt'))
      for (const { after } of silences(tracks[0]!.packets, 'video')) {
        const backAt = performance.timeOrigin + after.at
        const tookMs = shownAt.find((at) => at > backAt)! - backAt
        t.log(`${what}: a picture ${Math.round(tookMs)} ms after the first packet`)
        t.true(tookMs < PICTURE_WITHIN_MS)
      }
    },
    [Symbol.asyncDispose]: () => watching.disposeAsync(),
  }
}

/** Runs in a page: notes when each picture was shown, unix ms. */
const NOTE_PICTURES = `{
  globalThis.shownAt = []
  const video = document.querySelector('video')
  const note = () => {
    shownAt.push(Date.now())
    video.requestVideoFrameCallback(note)
  }
  video.requestVideoFrameCallback(note)
}`

const silences = (packets: ReceivedTrack['packets'], kind: ReceivedTrack['kind']): Step[] =>
  steps(packets, TICKS_PER_MS[kind]).filter(({ arrivalMs }) => arrivalMs > SILENCE_MS)

const whepSsrcs = (page: RtcPage): Promise<number[]> =>
  page.page.evaluate(
    `pc.getStats().then((all) => [...all.values()].filter(({ type, packetsReceived }) => type === 'inbound-rtp' && packetsReceived > 0).map(({ ssrc }) => ssrc).sort())`,
  )

/** Packet by packet: numbers and time only go on, and over the interruption as far as real time does. */
function assertGoesOn(t: ExecutionContext, what: string, { kind, packets }: ReceivedTrack): void {
  for (const step of steps(packets, TICKS_PER_MS[kind])) {
    t.true(
      step.sequence > -50 && step.sequence < MAX_DROPOUT,
      `${what}, ${kind}: sequence by ${step.sequence}`,
    )
    t.true(step.mediaMs > -500, `${what}, ${kind}: time by ${step.mediaMs} ms`)
  }
  for (const { arrivalMs, mediaMs } of silences(packets, kind)) {
    t.log(
      `${what}, ${kind}: silent ${Math.round(arrivalMs)} ms, RTP time went on by ${Math.round(mediaMs)} ms`,
    )
    t.true(Math.abs(mediaMs - arrivalMs) < CLOCK_TOLERANCE_MS, `${what}, ${kind}: ${mediaMs} ms`)
  }
}

async function publishByWhip(streamId: string, options: PublishOptions): Promise<RtcPage> {
  const page = await RtcPage.open(chromium)
  // The place of a client that went without a word is free when its media has stopped.
  const made = await until(
    async () => {
      const answer = await page.publish(`${hub.url}/whip/${streamId}`, publisher, options)
      return answer.status === 409 ? null : answer
    },
    'the place of the publisher',
    20_000,
  )
  if (made.status !== 201) throw new Error(made.body)
  await until(async () => (await page.media('outbound-rtp')).frames > 5, 'pictures sent', 20_000)
  return page
}

const SOURCES: readonly (readonly [name: string, options: PublishOptions])[] = [
  ['VP8 simulcast', { codec: 'VP8', simulcast: true }],
  ['H264', { codec: 'H264' }],
  ['VP9', { codec: 'VP9' }],
]

for (const [name, options] of SOURCES)
  test.serial(`a WHIP client of ${name} that starts again feeds the same consumers`, async (t) => {
    t.timeout(120_000)
    const streamId = `whip-${name.replace(' ', '-').toLowerCase()}`
    let client = await publishByWhip(streamId, options)
    await using watching = await watch(t, streamId)
    for (const what of ['the first restart', 'the second restart']) {
      await client[Symbol.asyncDispose]()
      client = await publishByWhip(streamId, options)
      await watching.goesOn(what)
    }
    await client[Symbol.asyncDispose]()
  })

const PAGES = [
  ['vp9', 'svc'],
  ['h264', 'simulcast'],
] as const

for (const [codec, layers] of PAGES)
  test.serial(
    `a publisher's page with ${codec} by ${layers} that is loaded again feeds the same consumers`,
    async (t) => {
      t.timeout(120_000)
      const streamId = `page-${codec}`
      await using studio = await chromium.open(`${hub.url}/publish/${streamId}`)
      const { page } = studio
      const goLive = async () => {
        await page.getByTestId('codec').selectOption(codec)
        await page.getByTestId('layers').selectOption(layers)
        await page.getByTestId('height').selectOption('360')
        await page.waitForSelector('[data-testid=go-live]:enabled')
        await page.getByTestId('go-live').click()
      }
      await goLive()
      await useToken(page, publisher)
      await untilState(page, 'live')
      await using watching = await watch(t, streamId)
      // The page asks before it is left on the air.
      page.once('dialog', (dialog) => void dialog.accept())
      await page.reload()
      await goLive()
      await untilState(page, 'live')
      await watching.goesOn('the page was loaded again')
    },
  )

test.serial(
  'a relay process that is killed or hangs is replaced, and feeds the same consumers',
  async (t) => {
    t.timeout(120_000)
    await using client = await publishByWhip('relayed', { codec: 'VP8', simulcast: true })
    t.is(await client.connectionState(), 'connected')
    await using watching = await watch(t, 'relayed')
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
      const pid = relayPid()
      process.kill(pid, signal)
      await until(() => relayPid() !== pid, 'its successor', 15_000)
      await watching.goesOn(`after ${signal}`)
    }
  },
)

function relayPid(): number {
  return descendants(hub.pid).find((pid) => programOf(pid).includes('relay-main')) ?? 0
}
