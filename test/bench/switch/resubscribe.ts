import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Connection, ConnectOptions, ViewerClient } from '../../../signaling/client/index.ts'
import { percentile } from '../../support/frame-reader.ts'
import { type InputWatch, type ShownPicture, watchInputs } from '../../support/input-watch.ts'
import { pageScript } from '../../support/page-script.ts'
import { until } from '../../support/until.ts'
import { rounded } from '../bench.ts'
import { RUNS } from './case.ts'
import type { SwitchRig } from './rig.ts'

/** Gives a page the SDK's `connect`. */
const ENTRY = fileURLToPath(new URL('./sdk-entry.ts', import.meta.url))
const SETTLE_MS = 1500

/** What the page keeps between calls. */
interface Watching {
  connection: Connection
  subscription: ViewerClient
}

/**
 * What a page can do without a switched lane: it leaves one stream and subscribes to the other, on the same connection and
 * in the same element. Time from the call to the other stream's first picture on the screen, ms.
 */
export async function resubscribe(
  rig: SwitchRig,
  [one, other]: readonly [string, string],
  say: (run: number) => void,
): Promise<{ p50_ms: number; p95_ms: number }> {
  await using watched = await rig.chromium.open(`${rig.hub.url}/`, { width: 640, height: 480 })
  const { page } = watched
  await page.evaluate(await pageScript(ENTRY))
  await page.evaluate(subscribeFirst, one)
  await page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0)
  await using watch = await watchInputs(page, [one, other])
  const times: number[] = []
  for (let run = 1; run <= RUNS; run += 1) {
    say(run)
    const next = run % 2 === 1 ? other : one
    await delay(SETTLE_MS)
    await watch.take()
    const from = Date.now()
    await page.evaluate(exchange, next)
    times.push((await firstPicture(watch, next, from)).at - from)
  }
  const at = (share: number) => rounded(percentile(times, share), 0)
  return { p50_ms: at(0.5), p95_ms: at(0.95) }
}

async function firstPicture(watch: InputWatch, input: string, from: number): Promise<ShownPicture> {
  const found = async () => {
    const { shown } = await watch.take()
    return shown.find((picture) => picture.input === input && picture.at > from)
  }
  return until(found, `pictures of ${input}`)
}

/** In the page. */
function subscribeFirst(streamId: string): void {
  const { connect } = globalThis as unknown as { connect: (options: ConnectOptions) => Connection }
  const video = Object.assign(document.createElement('video'), { muted: true, width: 640, height: 360 })
  document.body.replaceChildren(video)
  const connection = connect({ hubUrl: location.origin })
  const subscription = connection.subscribeToTrack(streamId, { video })
  Object.assign(globalThis, { watching: { connection, subscription } satisfies Watching })
}

/** In the page. */
function exchange(streamId: string): void {
  const { watching } = globalThis as unknown as { watching: Watching }
  watching.connection.unsubscribe(watching.subscription)
  const video = document.querySelector('video')!
  watching.subscription = watching.connection.subscribeToTrack(streamId, { video })
}
