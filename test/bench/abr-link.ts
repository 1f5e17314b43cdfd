import type { Page } from 'playwright-core'
import type { Chromium } from '../support/chromium.ts'
import { openImpairedLink } from '../support/impaired-link.ts'
import { receiveBy } from '../support/page-reception.ts'

/** The viewer's link: delay each way, ms, and its queue at any rate: 100 full packets, bytes. */
const DELAY_MS = 20
const QUEUE_BYTES = 150_000

/** What is watched, and who watches. */
export interface Watching {
  readonly chromium: Chromium
  /** The viewer page. */
  readonly url: string
  /** The port from which the hub sends media. */
  readonly rtcPort: number
}

/** A viewer page whose media comes over a link. */
export interface WatchedOverLink extends AsyncDisposable {
  readonly page: Page
  /** From now on the link carries this much towards the page, kb/s. */
  carries(kbps: number): Promise<void>
}

/** Opens a viewer page behind a link that carries `kbps`. Resolves once the page has a picture. */
export async function watchOverLink(
  { chromium, url, rtcPort }: Watching,
  kbps: number,
  receive: Parameters<typeof receiveBy>[2] = {},
): Promise<WatchedOverLink> {
  const impairment = (rateKbps: number) => ({
    forward: { delayMs: DELAY_MS },
    backward: { delayMs: DELAY_MS, rateKbps, queueMs: (QUEUE_BYTES * 8) / rateKbps },
  })
  await using stack = new AsyncDisposableStack()
  const link = stack.use(await openImpairedLink({ targetPort: rtcPort, ...impairment(kbps) }))
  const { page } = stack.use(await chromium.open('about:blank'))
  await receiveBy(page, link.port, receive)
  await page.goto(url)
  await page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0)
  const owned = stack.move()
  return {
    page,
    carries: (rateKbps) => link.set(impairment(rateKbps)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
