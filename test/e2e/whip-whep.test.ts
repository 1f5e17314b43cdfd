import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { type ImpairedLink, openImpairedLink } from '../support/impaired-link.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { until } from '../support/until.ts'
import { publishByWhip, watchByWhep } from '../support/werift-doors.ts'

/** Everybody else's clients: bare peer connections of another origin publish by WHIP and watch by WHEP. */

const CODECS = ['VP8', 'H264', 'VP9', 'AV1'] as const

const stack = new AsyncDisposableStack()
let hub: TestHub
let chromium: Chromium
let publisher: string
let viewer: string

test.before(async () => {
  hub = stack.use(await startHub([]))
  chromium = stack.use(await Chromium.launch({ publish: true }))
  publisher = await hub.issueToken({ role: 'publisher' })
  viewer = await hub.issueToken({ role: 'viewer' })
})
test.after.always(() => stack.disposeAsync())

for (const codec of CODECS)
  test.serial(`a bare page publishes ${codec} by WHIP, another page watches it by WHEP`, async (t) => {
    const streamId = codec.toLowerCase()
    await using source = await RtcPage.open(chromium)
    const made = await source.publish(`${hub.url}/whip/${streamId}`, publisher, { codec })
    t.is(made.status, 201, made.body)
    t.regex(made.headers.location ?? '', new RegExp(`^/whip/${streamId}/[\\w-]{32}$`))
    t.is(made.headers.etag, '"1"')
    await until(async () => (await source.media('outbound-rtp')).frames > 0, 'pictures sent', 15_000)

    await using screen = await RtcPage.open(chromium)
    const watched = await screen.watch(`${hub.url}/whep/${streamId}`, viewer)
    t.is(watched.status, 201, watched.body)
    const seen = await until(
      async () => {
        const media = await screen.media()
        return media.frames > 10 && media.audioPackets > 10 ? media : null
      },
      'pictures and sound',
      15_000,
    )
    t.is(seen.codec, `video/${codec}`)
    t.true(seen.width > 0)
  })

test.serial('a publisher that comes back plays on for those who watch', async (t) => {
  await using screen = await RtcPage.open(chromium)
  const url = `${hub.url}/whip/back`
  {
    await using source = await RtcPage.open(chromium)
    const made = await source.publish(url, publisher, { codec: 'VP8' })
    t.is(made.status, 201, made.body)
    await until(async () => (await source.media('outbound-rtp')).frames > 0, 'pictures sent')
    t.is((await screen.watch(`${hub.url}/whep/back`, viewer)).status, 201)
    await until(async () => (await screen.media()).frames > 5, 'pictures')
    await source.page.evaluate('pc.close()')
  }
  await using again = await RtcPage.open(chromium)
  const made = await until(
    async () => {
      const answer = await again.publish(url, publisher, { codec: 'VP8' })
      return answer.status === 409 ? null : answer
    },
    'its place',
    15_000,
  )
  t.is(made.status, 201, made.body)
  await until(async () => (await again.media('outbound-rtp')).frames > 10, 'pictures sent')
  // Shown, not only decoded: a player could take new media for another track.
  const shown = async () =>
    Number(
      await screen.page.evaluate(
        'document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames',
      ),
    )
  const before = await shown()
  await until(async () => (await shown()) > before + 10, 'new pictures', 10_000)
})

test.serial('werift publishes by WHIP and watches by WHEP', async (t) => {
  await using source = await publishByWhip(`${hub.url}/whip/werift`, publisher)
  await using screen = await watchByWhep(`${hub.url}/whep/werift`, viewer)
  await until(() => screen.received.video > 20 && screen.received.audio > 20, 'packets of both kinds')
  t.is(
    (await fetch(screen.location, { method: 'DELETE', headers: { authorization: `Bearer ${viewer}` } }))
      .status,
    200,
  )
  const { video } = screen.received
  t.is(
    (await fetch(source.location, { method: 'DELETE', headers: { authorization: `Bearer ${publisher}` } }))
      .status,
    200,
  )
  t.true(screen.received.video < video + 20)
})

test.serial(
  'simulcast: a WHEP player gets the layer that its link carries; ICE restarts under it',
  async (t) => {
    t.timeout(180_000)
    await using stack = new AsyncDisposableStack()
    const source = stack.use(await RtcPage.open(chromium))
    const made = await source.publish(`${hub.url}/whip/layers`, publisher, { codec: 'VP8', simulcast: true })
    t.is(made.status, 201, made.body)
    t.regex(made.body, /a=simulcast:recv q;h;f/)
    const screen = stack.use(await RtcPage.open(chromium))
    let link: ImpairedLink | undefined
    const watched = await screen.watch(`${hub.url}/whep/layers`, viewer, {
      through: async (targetPort) => {
        link = stack.use(await openImpairedLink({ targetPort }))
        return link.port
      },
    })
    t.is(watched.status, 201, watched.body)
    await until(async () => (await screen.media()).width === 960, 'the largest picture', 40_000)

    await link!.set({ backward: { rateKbps: 250, queueMs: 300 } })
    await until(async () => (await screen.media()).width < 960, 'a smaller picture', 40_000)
    const { frames } = await screen.media()
    await until(async () => (await screen.media()).frames > frames + 20, 'pictures that move')

    const session = new URL(watched.headers.location!, hub.url).href
    t.is((await screen.restartIce(session, viewer)).status, 200)
    await until(
      async () => (await screen.connectionState()) === 'connected',
      'a connection after the restart',
    )
    const after = await screen.media()
    await until(async () => (await screen.media()).frames > after.frames + 10, 'pictures after the restart')
  },
)
