import test from 'ava'
import type { Page } from 'playwright-core'
import { fillWorker, workerOfStream } from '../support/asked-viewer.ts'
import { Chromium } from '../support/chromium.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { receiveBy } from '../support/page-reception.ts'
import { takeShown, watchShown } from '../support/shown-pictures.ts'
import { takeSound, watchSound } from '../support/sound-of-page.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { showsPicture, stateOf, untilState } from '../support/watch-page.ts'

/** Running viewers leave a worker that is clearly busier than another. */

const ROOM = 40
/** Viewers that stay on the worker of the stream: with the page and the pipe they fill eight tenths of its room. */
const STAY = 14

const moves = (hub: TestHub, outcome: string) => hub.metric(`viewer_moves_total{outcome="${outcome}"}`)

/** The page on a hub of two workers: the stream's own worker is busy, and the other is idle. */
async function watchOnBusyWorker({ reachesOther }: { readonly reachesOther: boolean }) {
  await using stack = new AsyncDisposableStack()
  const [rtcPort = 0] = await freeUdpPorts(2)
  const args = ['--consumers-per-worker', String(ROOM), '--move-viewers', 'true']
  const hub = stack.use(await startHub([{ streamId: 'cam-1' }], { workers: 2, rtcPort, args }))
  const path = await generateMedia('baseline', { seconds: 150 })
  stack.use(await startClipSender(hub.streams.get('cam-1')!, { path, repeat: true }))
  const port = rtcPort + (await workerOfStream(hub))
  const chromium = stack.use(await Chromium.launch())
  const { page, errors } = stack.use(await chromium.open('about:blank'))
  // All candidates then lead to the stream's worker, which does not know a transport of the other worker.
  if (!reachesOther) await receiveBy(page, port)
  await watchSound(page)
  await page.goto(`${hub.url}/watch/cam-1`)
  await untilState(page, 'live')
  await watchShown(page)
  await untilShown(page)
  stack.use(await fillWorker(hub, port, STAY))
  const owned = stack.move()
  return { hub, page, errors, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Resolves when pictures were shown a while. */
async function untilShown(page: Page): Promise<void> {
  let shown = 0
  await until(async () => {
    shown += (await takeShown(page)).length
    return shown > 20
  }, 'pictures move')
}

/** Looks at the picture each time that it is asked to: when pictures were shown, and the page's state where there was none. */
function watchPicture(page: Page) {
  const shownAt: number[] = []
  const blanks: unknown[] = []
  const look = async () => {
    shownAt.push(...(await takeShown(page)).map(({ at }) => at))
    if (!(await showsPicture(page))) blanks.push(await stateOf(page))
  }
  return { look, shownAt, blanks }
}

const gapsOf = (shownAt: readonly number[]) =>
  shownAt.slice(1).map((at, index) => at - (shownAt[index] ?? at))

test.serial('a running viewer moves to the worker with less to do, and its picture goes on', async (t) => {
  t.timeout(120_000)
  await using watched = await watchOnBusyWorker({ reachesOther: true })
  const { hub, page } = watched
  await takeSound(page)
  const { look, shownAt, blanks } = watchPicture(page)
  await until(
    async () => {
      await look()
      return (await moves(hub, 'moved')) === 1
    },
    'the page moved',
    60_000,
  )
  const after = performance.now() + 2_000
  const lookOn = async () => {
    await look()
    return performance.now() > after
  }
  await until(lookOn, 'two more seconds')
  const gaps = gapsOf(shownAt)
  const sound = await takeSound(page)
  // From before the second transport connects until well after the exchange.
  const around = shownAt
    .map((at, index) => ({ at: at - sound.exchangedAt, gap: gaps[index - 1] ?? 0 }))
    .filter(({ at }) => Math.abs(at) < 1_000)
  const [longest, moving] = [gaps, around.map(({ gap }) => gap)].map((each) => Math.round(Math.max(...each)))
  t.log(`longest gap ${longest} ms of ${gaps.length}, ${moving} ms of ${around.length} around the exchange`)
  t.log(sound)
  t.deepEqual(blanks, [])
  t.true(moving! < 200, JSON.stringify(around))
  t.is(await stateOf(page), 'live')
  t.is(sound.exchanges, 1)
  t.is(sound.mostTracks, 1, 'never two at once')
  t.true(sound.seconds > 5 && sound.longestSilenceMs < 60, JSON.stringify(sound))
  t.true(sound.loudest < 1.4 * sound.usual, JSON.stringify(sound))
  const tracks = await page.evaluate(() => {
    const stream = document.querySelector('video')?.srcObject
    const all = stream instanceof MediaStream ? stream.getTracks() : []
    return all.map(({ kind, readyState, muted }) => `${kind} ${readyState} ${muted}`).sort()
  })
  t.deepEqual(tracks, ['audio live false', 'video live false'])
  t.is(await moves(hub, 'stayed'), 0, 'viewers that do not say that they can are left alone')
  t.is(await moves(hub, 'broken'), 0)
  t.deepEqual(watched.errors, [])
})

test.serial(
  'a viewer that does not reach the other worker stays where it is, and is asked once',
  async (t) => {
    t.timeout(120_000)
    await using watched = await watchOnBusyWorker({ reachesOther: false })
    const { hub, page } = watched
    const { look, shownAt, blanks } = watchPicture(page)
    await until(
      async () => {
        await look()
        return (await moves(hub, 'stayed')) === 1
      },
      'the move is given up',
      60_000,
    )
    t.deepEqual(blanks, [])
    t.log(`longest gap ${Math.round(Math.max(...gapsOf(shownAt)))} ms of ${shownAt.length}`)
    t.true(Math.max(...gapsOf(shownAt)) < 300, 'its picture goes on')
    t.is(await stateOf(page), 'live')
    await untilShown(page)
    t.is(await moves(hub, 'moved'), 0)
    t.is(await moves(hub, 'stayed'), 1)
    t.is(await moves(hub, 'broken'), 0)
    t.deepEqual(watched.errors, [])
  },
)
