import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { freeUdpPorts, startHub } from '../support/hub.ts'
import { openImpairedLink } from '../support/impaired-link.ts'
import { generateMedia } from '../support/media-generator.ts'
import { receiveBy } from '../support/page-reception.ts'
import { until } from '../support/until.ts'
import { textOf, untilState } from '../support/watch-page.ts'

/** The viewer page on networks that do not let everything through. */

test.serial('where UDP is blocked media comes by TCP, and by UDP as soon as that gets through', async (t) => {
  t.timeout(120_000)
  const path = await generateMedia('baseline', { seconds: 20, kbps: 1000 })
  const [rtcPort = 0] = await freeUdpPorts(1)
  await using hub = await startHub([{ streamId: 'one' }], {
    workers: 1,
    args: ['--rtc-port', String(rtcPort)],
  })
  await using link = await openImpairedLink({
    targetPort: rtcPort,
    forward: { blackhole: true },
    backward: { blackhole: true },
  })
  await using chromium = await Chromium.launch()
  await using _sender = await startClipSender(hub.streams.get('one')!, { path, repeat: true })
  await using watched = await chromium.open('about:blank')
  const { page } = watched
  await receiveBy(page, link.port, { tcp: true })
  await page.goto(`${hub.url}/watch/one`)
  await untilState(page, 'live')
  await page.keyboard.press('i')
  await until(async () => (await textOf(page, 'transport')) === 'TCP', 'media by TCP')
  await link.setBoth({})
  await until(async () => (await textOf(page, 'transport')) === 'UDP', 'media by UDP', 40_000)
  const { backward } = await link.counters()
  await until(async () => (await link.counters()).backward.bytes > backward.bytes + 100_000, 'it is media')
  t.is(await page.evaluate(() => document.documentElement.dataset['state']), 'live')
  t.deepEqual(watched.errors, [])
})

test.serial(
  'a picture of one layer that the link does not carry pauses, sound goes on, and the picture comes back',
  async (t) => {
    t.timeout(180_000)
    const path = await generateMedia('baseline', { seconds: 20, kbps: 1000 })
    const [rtcPort = 0] = await freeUdpPorts(1)
    await using hub = await startHub([{ streamId: 'one' }], {
      workers: 1,
      args: ['--rtc-port', String(rtcPort)],
    })
    await using link = await openImpairedLink({ targetPort: rtcPort })
    await using chromium = await Chromium.launch()
    await using _sender = await startClipSender(hub.streams.get('one')!, { path, repeat: true })
    await using watched = await chromium.open('about:blank')
    const { page } = watched
    await receiveBy(page, link.port)
    await page.goto(`${hub.url}/watch/one`)
    const seen = () =>
      page.evaluate(() => {
        const video = document.querySelector('video')
        return {
          picture: document.documentElement.dataset['picture'],
          pictures: video?.getVideoPlaybackQuality().totalVideoFrames ?? 0,
          // Goes on by sound alone.
          playedSeconds: video?.currentTime ?? 0,
        }
      })
    const untilPictures = async (): Promise<void> => {
      const { pictures } = await seen()
      await until(async () => (await seen()).pictures > pictures + 10, 'pictures', 40_000)
    }
    await untilPictures()

    await link.set({ backward: { rateKbps: 350, queueMs: 300 } })
    await until(async () => (await seen()).picture === 'bandwidth', 'the picture pauses, and why', 40_000)
    t.regex(await textOf(page, 'sound-only'), /sound/i)
    const paused = await seen()
    await until(async () => (await seen()).playedSeconds > paused.playedSeconds + 4, 'sound goes on', 8_000)
    t.is((await seen()).picture, 'bandwidth', 'it does not come and go')

    await link.setBoth({})
    await until(async () => (await seen()).picture === 'sent', 'the picture is tried again', 40_000)
    await untilPictures()
    t.is((await seen()).picture, 'sent')
    t.deepEqual(watched.errors, [])
  },
)
