import test from 'ava'
import type { Page } from 'puppeteer-core'
import { type ClipSender, startClipSender } from '../support/clip-sender.ts'
import { Firefox } from '../support/firefox.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { type Neighbour, openNeighbour } from '../support/namespaces.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'

/** Firefox publishes and watches, over HTTPS with the hub's own certificate. test/e2e/firefox.test.ts runs this. */

let neighbour: Neighbour
let hub: TestHub
let sender: ClipSender
let firefox: Firefox
let publisherToken: string
let viewerToken: string

test.before(async () => {
  neighbour = await openNeighbour()
  const { there, enter } = neighbour
  const args = ['--rtc-ip', there]
  hub = await startHub([{ streamId: 'field', links: 1 }], { workers: 1, bind: `${there}:0`, args, enter })
  const path = await generateMedia('baseline', { seconds: 20 })
  sender = await startClipSender(hub.streams.get('field')!, { path, repeat: true }, enter)
  publisherToken = await hub.issueToken({ role: 'publisher' })
  viewerToken = await hub.issueToken({ role: 'viewer' })
  firefox = await Firefox.launch()
})

test.after.always(async () => {
  await firefox?.[Symbol.asyncDispose]()
  await sender?.[Symbol.asyncDispose]()
  await hub?.[Symbol.asyncDispose]()
  await neighbour?.[Symbol.asyncDispose]()
})

const at = (testId: string) => `[data-testid="${testId}"]`

const says = (page: Page, name: string): Promise<string> =>
  page.evaluate((key) => document.documentElement.dataset[key] ?? '', name)

const untilState = async (page: Page, state: string): Promise<void> => {
  const seen: string[] = []
  await until(async () => {
    const now = await says(page, 'state')
    if (now !== seen.at(-1)) seen.push(now)
    return now === state
  }, `the page is ${state}`).catch((error) => {
    throw new Error(`${error}; it was ${seen.join(', ')}`)
  })
}

const textOf = (page: Page, testId: string): Promise<string> =>
  page.$eval(at(testId), (element) => element.textContent ?? '').catch(() => '')

const click = async (page: Page, testId: string): Promise<void> => {
  await page.locator(at(testId)).click()
}

const useToken = async (page: Page, token: string): Promise<void> => {
  await page.locator(at('token')).fill(token)
  await click(page, 'use-token')
}

/** What the element shows now, small; Firefox counts no pictures in `getVideoPlaybackQuality()` of a MediaStream. */
const picture = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const video = document.querySelector('video')
    const context = new OffscreenCanvas(16, 9).getContext('2d')
    if (video === null || context === null || video.readyState < 2) return ''
    context.drawImage(video, 0, 0, 16, 9)
    return context.getImageData(0, 0, 16, 9).data.join()
  })

const untilPicturesMove = async (page: Page): Promise<void> => {
  const seen = new Set<string>()
  await until(async () => seen.add(await picture(page)).size > 5, 'pictures move')
}

const decodesH264 = (page: Page): Promise<boolean> =>
  page.evaluate(
    () =>
      RTCRtpReceiver.getCapabilities('video')?.codecs.some(({ mimeType }) => mimeType === 'video/H264') ??
      false,
  )

/** Opens the page of a stream, chooses, and goes live. */
async function openStudio(streamId: string, codec: string, layers: string) {
  const opened = await firefox.open(`${hub.url}/publish/${streamId}`)
  const { page } = opened
  await page.locator(`${at('go-live')}:enabled`).wait()
  for (const [testId, value] of Object.entries({ codec, layers, height: '360' }))
    await page.select(at(testId), value)
  await click(page, 'go-live')
  await useToken(page, publisherToken)
  return opened
}

async function openWatcher(streamId: string) {
  const opened = await firefox.open(`${hub.url}/watch/${streamId}`, { width: 640, height: 360 })
  await useToken(opened.page, viewerToken)
  return opened
}

test.serial('VP8 both ways; a worker that dies is only an interruption', async (t) => {
  await using studio = await openStudio('cam-vp8', 'vp8', 'simulcast')
  await untilState(studio.page, 'live')
  await using watcher = await openWatcher('cam-vp8')
  await untilState(watcher.page, 'live')
  await untilPicturesMove(watcher.page)
  // A page that was refused at first, for want of a token, is not to look broken in the console.
  t.deepEqual([studio.errors, watcher.errors], [[], []])

  const before = await says(studio.page, 'transport')
  const workers = descendants(hub.pid).filter((pid) => programOf(pid).includes('mediasoup-worker'))
  t.is(workers.length, 1)
  process.kill(workers[0]!, 'SIGKILL')
  await until(async () => (await says(studio.page, 'transport')) !== before, 'another transport')
  await untilState(studio.page, 'live')
  await untilState(watcher.page, 'live')
  await untilPicturesMove(watcher.page)
})

test.serial('VP9 both ways', async (t) => {
  await using studio = await openStudio('cam-vp9', 'vp9', 'single')
  await untilState(studio.page, 'live')
  await using watcher = await openWatcher('cam-vp9')
  await untilState(watcher.page, 'live')
  await untilPicturesMove(watcher.page)
  await until(async () => /VP9/.test(await textOf(studio.page, 'video-rate')), 'it is VP9')
  t.deepEqual([studio.errors, watcher.errors], [[], []])
})

test.serial('H.264 plays; without a decoder the page says what to do, and plays the sound', async (t) => {
  await using watcher = await firefox.open(`${hub.url}/watch/field`, { width: 640, height: 360 })
  const { page } = watcher
  if (await decodesH264(page)) {
    await untilState(page, 'live')
    await untilPicturesMove(page)
    t.pass()
    return
  }
  await untilState(page, 'unplayable')
  t.regex(await textOf(page, 'notice'), /no decoder for H\.264.*OpenH264.*sound plays/)
  await click(page, 'sound-on')
  await page.keyboard.press('i')
  await until(async () => /^[1-9]\d* kb\/s/.test(await textOf(page, 'audio-rate')), 'sound arrives')
  const playing = () => page.$eval('video', ({ currentTime, muted }) => (muted ? 0 : currentTime))
  const from = await playing()
  await until(async () => (await playing()) > from + 1, 'the sound plays')
  t.is(await says(page, 'state'), 'unplayable', 'it stays so')
  t.deepEqual(watcher.errors, [])

  await using studio = await openStudio('cam-h264', 'h264', 'single')
  await untilState(studio.page, 'failed')
  t.regex(await textOf(studio.page, 'publish-failure'), /can.t send H264/)
})
