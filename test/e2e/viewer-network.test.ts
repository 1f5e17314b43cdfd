import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { renditionClip } from '../bench/rendition-clip.ts'
import { generateMedia } from '../support/media-generator.ts'
import { until } from '../support/until.ts'
import { watchOver } from '../support/watch-over.ts'
import { textOf, untilState } from '../support/watch-page.ts'

/** The viewer page on networks that do not let everything through. */

test('where UDP is blocked media comes by TCP, and by UDP as soon as that gets through', async (t) => {
  t.timeout(120_000)
  const path = await generateMedia('baseline', { seconds: 20, kbps: 1000 })
  await using watched = await watchOver(
    path,
    { forward: { blackhole: true }, backward: { blackhole: true } },
    { tcp: true },
  )
  const { page, link } = watched
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

test('a picture of one layer that the link does not carry pauses, sound goes on, and the picture comes back', async (t) => {
  t.timeout(180_000)
  const path = await generateMedia('baseline', { seconds: 20, kbps: 1000 })
  await using watched = await watchOver(path, {})
  const { page, link } = watched
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
})

test('a layer that nearly fills the link is played, although no probe can tell so much', async (t) => {
  t.timeout(180_000)
  const renditions = [
    { width: 320, height: 180, kbps: 270 },
    { width: 640, height: 360, kbps: 900 },
  ]
  const path = await renditionClip(renditions, 30)
  const linkOf = (rateKbps: number) => ({ backward: { delayMs: 20, rateKbps, queueMs: 500 } })
  await using watched = await watchOver(path, linkOf(400))
  const { page, link } = watched
  await untilState(page, 'live')
  const height = () => page.evaluate(() => document.querySelector('video')?.videoHeight)
  await until(async () => (await height()) === 180, 'the lowest layer', 40_000)
  // Long enough that a first burst is forgotten.
  await delay(8_000)
  await link.set(linkOf(1030))
  await until(async () => (await height()) === 360, 'the layer above', 60_000)
  await delay(5_000)
  t.is(await height(), 360, 'it stays')
  t.deepEqual(watched.errors, [])
})
