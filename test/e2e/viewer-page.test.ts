import test from 'ava'
import { Chromium } from '../support/chromium.ts'
import { sendCard } from '../support/field-sender.ts'
import { percentile } from '../support/frame-reader.ts'
import { startHub } from '../support/hub.ts'
import { descendants, programOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import {
  showsPicture,
  stateOf,
  textOf,
  untilPicturesMove,
  untilState,
  useToken,
} from '../support/watch-page.ts'

test('a viewer sees what comes, in every state, and the page never needs a reload', async (t) => {
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'cam-1' }, { streamId: 'idle' }])
  await using chromium = await Chromium.launch()
  const stream = hub.streams.get('cam-1')!

  await using watched = await chromium.open(`${hub.url}/watch/cam-1`)
  const { page } = watched
  await untilState(page, 'waiting')
  t.regex(await textOf(page, 'notice'), /Waiting for the sender/)

  await using first = await sendCard(stream)
  await untilState(page, 'live')
  t.is(await page.getByTestId('notice').count(), 0)
  t.true(percentile(await untilPicturesMove(page), 0.5) < 2_000)

  // Numbers, for those who ask for them.
  await page.keyboard.press('i')
  await until(async () => (await textOf(page, 'resolution')).includes('1280'), 'statistics are shown')
  await until(async () => / ms$/.test(await textOf(page, 'glass-to-glass')), 'glass to glass is measured')
  t.regex(await textOf(page, 'join-time'), /^\d+ ms$/)
  // A busy browser may have connected by TCP first.
  await until(async () => (await textOf(page, 'transport')) === 'UDP', 'media comes by UDP')
  await page.keyboard.press('Escape')
  t.is(await page.getByTestId('statistics').count(), 0)
  await until(async () => (await hub.metric('errors_total')) === 0, 'the hub has no errors')

  // One click for sound; another for silence.
  const muted = () => page.evaluate(() => document.querySelector('video')?.muted)
  t.true(await muted())
  await page.getByTestId('sound-on').click()
  await until(async () => !(await muted()), 'sound')
  t.is(await page.getByTestId('sound-on').count(), 0)
  await page.keyboard.press('m')
  await until(muted, 'silence')
  // Keys within one frame count, each of them.
  await page.evaluate(() => {
    for (let press = 0; press < 3; press++) dispatchEvent(new KeyboardEvent('keydown', { key: 'm' }))
  })
  t.false(await muted())
  await page.keyboard.press('m')
  await until(muted, 'silence again')

  // The sender dies: its last picture stays, and the next sender's follows in the same page.
  await first.kill()
  await untilState(page, 'input_lost')
  t.true(await showsPicture(page))
  t.regex(await textOf(page, 'notice'), /Signal lost/)
  await using _second = await sendCard(stream)
  await untilState(page, 'live')
  await untilPicturesMove(page)
  t.deepEqual(watched.errors, [])

  // The media worker dies: the picture stays until the next worker's picture arrives.
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
  t.timeout(120_000)
  await using hub = await startHub([{ streamId: 'idle', streamClass: 'director' }])
  await using chromium = await Chromium.launch()
  await using unknown = await chromium.open(`${hub.url}/watch/no-such-stream`)
  await untilState(unknown.page, 'denied')
  t.regex(await textOf(unknown.page, 'notice-detail'), /not open to everybody/)
  // Who may ask is told that there is none.
  await useToken(unknown.page, await hub.issueToken({ role: 'viewer' }))
  await untilState(unknown.page, 'failed')
  t.regex(await textOf(unknown.page, 'notice-detail'), /There is no stream “no-such-stream” on this server\./)

  await using list = await chromium.open(hub.url)
  t.regex(await textOf(list.page, 'stream-idle'), /idle.*director.*Waiting/)
  t.deepEqual(list.errors, [])
  await list.page.getByTestId('stream-idle').click()
  await untilState(list.page, 'waiting')

  // The hub goes away: the page says so, keeps asking, and is there when it is needed.
  await hub.stop()
  await untilState(list.page, 'reconnecting')
  t.regex(await textOf(list.page, 'notice'), /Reconnecting/)
})
