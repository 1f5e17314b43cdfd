import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { RtcPage } from '../support/rtc-page.ts'
import { until } from '../support/until.ts'

/** Everybody else's clients: bare peer connections of another origin publish by WHIP and watch by WHEP. */

const CODECS = ['VP8', 'H264', 'VP9', 'AV1'] as const

const stack = new AsyncDisposableStack()
let hub: TestHub
let chromium: Chromium
let publisher: string
let viewer: string

test.before(async () => {
  ;[hub, chromium] = await Promise.all([startHub([]), Chromium.launch({ publish: true })])
  stack.use(hub)
  stack.use(chromium)
  publisher = await hub.issueToken({ role: 'publisher' })
  viewer = await hub.issueToken({ role: 'viewer' })
})
test.after.always(() => stack.disposeAsync())

for (const codec of CODECS)
  test.serial(`a bare page publishes ${codec} by WHIP, another one watches it by WHEP`, async (t) => {
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
