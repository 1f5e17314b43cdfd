import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { renditionClip } from '../bench/rendition-clip.ts'
import { until } from '../support/until.ts'
import { watchOver } from '../support/watch-over.ts'
import { untilState } from '../support/watch-page.ts'

/** How soon the viewer page sees that its network has failed it. */

test('a link that falls to a tenth is told of while the first slow picture is still coming', async (t) => {
  t.timeout(120_000)
  const renditions = [
    { width: 320, height: 180, kbps: 120 },
    { width: 640, height: 360, kbps: 2000 },
  ]
  const path = await renditionClip(renditions, 30)
  const linkOf = (rateKbps: number) => ({ backward: { delayMs: 20, rateKbps, queueMs: 4000 } })
  await using watched = await watchOver(path, linkOf(6000))
  const { page, link, said } = watched
  await untilState(page, 'live')
  const height = () => page.evaluate(() => document.querySelector('video')?.videoHeight)
  await until(async () => (await height()) === 360, 'the higher layer', 40_000)
  // The page knows what the stream takes, and the estimate has found the link.
  await delay(8_000)
  said.length = 0
  await link.set(linkOf(200))
  const told = await until(
    () => said.map((each) => JSON.parse(each)).find(({ method }) => method === 'congested'),
    'the page tells of the queue',
  )
  // A picture of 8 kB takes 330 ms.
  t.true(told.data.late_ms < 250, JSON.stringify(told.data))
  t.true(told.data.pace <= 0.2, JSON.stringify(told.data))
  await until(async () => (await height()) === 180, 'the lower layer', 40_000)
  t.deepEqual(watched.errors, [])
})
