import test from 'ava'
import type { Page } from 'playwright-core'
import { Chromium } from '../support/chromium.ts'
import { type FieldSender, startFieldSender } from '../support/field-sender.ts'
import { percentile, readFrames } from '../support/frame-reader.ts'
import { type OpenStream, startHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'

const send = (stream: OpenStream): Promise<FieldSender> =>
  startFieldSender({
    links: stream.ports.map((port) => ({ host: '127.0.0.1', port })),
    bufferMs: 60,
    passphrase: stream.passphrase,
    username: stream.username,
    password: stream.password,
    card: { name: stream.streamId },
  })

const stateOf = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => document.documentElement.dataset.state)

const untilState = async (page: Page, state: string): Promise<void> => {
  const seen: unknown[] = []
  const reached = async () => {
    const now = await stateOf(page)
    if (now !== seen.at(-1)) seen.push(now)
    return now === state
  }
  await until(reached, `the page is ${state}`, 20_000).catch((error: unknown) => {
    throw new Error(`${String(error)}; it was ${seen.join(', ')}`)
  })
}

const text = async (page: Page, testId: string): Promise<string> =>
  (await page.getByTestId(testId).textContent({ timeout: 5_000 })) ?? ''

/** Resolves when clocks were read in six more pictures; answers with the latency of those, in ms. */
const untilPicturesMove = async (page: Page): Promise<number[]> => {
  await using reader = await readFrames(page)
  const latenciesMs: number[] = []
  await until(async () => latenciesMs.push(...(await reader.take()).latenciesMs) > 5, 'pictures move')
  return latenciesMs
}

/** Whether the element shows a picture now: the test card is nowhere near black as a whole. */
const showsPicture = (page: Page): Promise<boolean> =>
  page.evaluate(() => {
    const video = document.querySelector('video')
    const canvas = new OffscreenCanvas(16, 9)
    const context = canvas.getContext('2d')
    if (video === null || context === null || video.readyState < 2) return false
    context.drawImage(video, 0, 0, 16, 9)
    const pixels = context.getImageData(0, 0, 16, 9).data
    return pixels.reduce((sum, value, index) => sum + (index % 4 === 3 ? 0 : value), 0) > 16 * 9 * 3 * 40
  })

test('a viewer sees what comes, in every state, and the page never needs a reload', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'idle' }])
  await using chromium = await Chromium.launch()
  const stream = hub.streams.get('cam-1')!

  await using watched = await chromium.open(`${hub.url}/watch/cam-1`)
  const { page } = watched
  await untilState(page, 'waiting')
  t.regex(await text(page, 'notice'), /Waiting for the sender/)

  const first = await send(stream)
  await untilState(page, 'live')
  t.is(await page.getByTestId('notice').count(), 0)
  t.true(percentile(await untilPicturesMove(page), 0.5) < 2_000)

  // Numbers, for those who ask for them.
  await page.keyboard.press('i')
  await until(async () => (await text(page, 'resolution')).includes('1280'), 'statistics are shown')
  await until(async () => / ms$/.test(await text(page, 'glass-to-glass')), 'glass to glass is measured')
  t.regex(await text(page, 'join-time'), /^\d+ ms$/)
  t.is(await text(page, 'transport'), 'UDP')
  await page.keyboard.press('Escape')
  t.is(await page.getByTestId('statistics').count(), 0)
  await until(async () => (await hub.metric('errors_total')) === 0, 'the hub has no errors')

  // One click for sound; another for silence.
  t.true(await page.evaluate(() => document.querySelector('video')?.muted))
  await page.getByTestId('sound-on').click()
  t.false(await page.evaluate(() => document.querySelector('video')?.muted))
  t.is(await page.getByTestId('sound-on').count(), 0)
  await page.keyboard.press('m')
  t.true(await page.evaluate(() => document.querySelector('video')?.muted))

  // The sender dies: its last picture stays, and the next sender's follows in the same page.
  await first.kill()
  await untilState(page, 'input_lost')
  t.true(await showsPicture(page))
  t.regex(await text(page, 'notice'), /Signal lost/)
  await using _second = await send(stream)
  await untilState(page, 'live')
  await untilPicturesMove(page)
  t.deepEqual(watched.errors, [])

  // The media worker dies: the picture stands until the next worker's arrives.
  const workers = descendants(hub.pid).filter((pid) => programOf(pid).includes('mediasoup-worker'))
  t.true(workers.length > 0)
  const blanks: unknown[] = []
  const killedAt = performance.now()
  for (const pid of workers) process.kill(pid, 'SIGKILL')
  await until(async () => (await stateOf(page)) !== 'live', 'the page notices')
  await until(async () => {
    if (!(await showsPicture(page))) blanks.push(await stateOf(page))
    return (await stateOf(page)) === 'live'
  }, 'the page is live again')
  t.log(`live ${Math.round(performance.now() - killedAt)} ms after the workers were killed`)
  t.deepEqual(blanks, [])
  await untilPicturesMove(page)
})

test('a stream that does not exist is named as such, and the list names those that do', async (t) => {
  t.timeout(60_000)
  await using hub = await startHub([{ streamId: 'idle', streamClass: 'director' }])
  await using chromium = await Chromium.launch()
  await using unknown = await chromium.open(`${hub.url}/watch/no-such-stream`)
  await untilState(unknown.page, 'denied')
  t.regex(await text(unknown.page, 'notice-detail'), /not open to everybody/)
  // Who may ask is told that there is none.
  await useToken(unknown.page, await hub.issueToken({ role: 'viewer' }))
  await untilState(unknown.page, 'failed')
  t.regex(await text(unknown.page, 'notice-detail'), /There is no stream “no-such-stream” on this server\./)

  await using list = await chromium.open(hub.url)
  t.regex(await text(list.page, 'stream-idle'), /idle.*director.*Waiting/)
  t.deepEqual(list.errors, [])
  await list.page.getByTestId('stream-idle').click()
  await untilState(list.page, 'waiting')

  // The hub goes away: the page says so, keeps asking, and is there when it is needed.
  await hub.stop()
  await untilState(list.page, 'reconnecting')
  t.regex(await text(list.page, 'notice'), /Reconnecting/)
})
