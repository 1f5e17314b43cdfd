import type { Page } from 'playwright-core'
import type { Chromium } from './chromium.ts'
import { type InputWatch, type MarkedPicture, type ShownPicture, watchInputs } from './input-watch.ts'
import { countPeerConnections, type PeerConnections, peerConnections } from './peer-connections.ts'
import { until } from './until.ts'

/** The hub's page that watches one stream, and everything that it has shown: which input's picture, when. */
export class InputScreen implements AsyncDisposable {
  readonly page: Page
  /** All that was seen since the last `forget`, oldest first; `look` brings it up to date. */
  shown: ShownPicture[] = []
  decoded: MarkedPicture[] = []
  readonly #watch: InputWatch
  readonly #stack: AsyncDisposableStack

  private constructor(page: Page, watch: InputWatch, stack: AsyncDisposableStack) {
    this.page = page
    this.#watch = watch
    this.#stack = stack
  }

  /**
   * Opens the page and resolves when it shows pictures.
   * @param names of the cards that may come
   */
  static async open(
    chromium: Chromium,
    { url, names, viewport = { width: 1280, height: 720 } }: ScreenOptions,
  ): Promise<InputScreen> {
    await using stack = new AsyncDisposableStack()
    const { page } = stack.use(await chromium.open('about:blank', viewport))
    await countPeerConnections(page)
    await page.goto(url)
    await page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0, null, {
      timeout: 20_000,
    })
    const watch = stack.use(await watchInputs(page, names))
    return new InputScreen(page, watch, stack.move())
  }

  async look(): Promise<void> {
    const { shown, decoded } = await this.#watch.take()
    this.shown.push(...shown)
    this.decoded.push(...decoded)
  }

  /** Leaves out all but the newest pictures. */
  async forget(keep = 60): Promise<void> {
    await this.look()
    this.shown = this.shown.slice(-keep)
    this.decoded = this.decoded.slice(-keep)
  }

  /**
   * The first such picture that was on the screen after `from`; waits for it.
   * @param what in words, for the error
   * @param from unix ms
   */
  async first(
    is: (picture: ShownPicture) => boolean,
    what: string,
    from: number,
    withinMs = 20_000,
  ): Promise<ShownPicture> {
    const found = async () => {
      await this.look()
      return this.shown.find((picture) => picture.at > from && is(picture))
    }
    return until(found, what, withinMs)
  }

  /** The first picture of an input; null is a picture without a mark, as a slate is. */
  shows(input: string | null, from: number, withinMs?: number): Promise<ShownPicture> {
    const what = input === null ? 'the slate' : `a picture of ${input}`
    return this.first((picture) => picture.input === input, what, from, withinMs)
  }

  /** What the page has made of WebRTC so far. */
  connections(): Promise<PeerConnections> {
    return peerConnections(this.page)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

export interface ScreenOptions {
  readonly url: string
  readonly names: readonly string[]
  readonly viewport?: { readonly width: number; readonly height: number }
}

/** How many times media was negotiated anew between two looks. */
export function renegotiations(before: PeerConnections, after: PeerConnections): number {
  return after.made - before.made + (before.ssrcs.join() === after.ssrcs.join() ? 0 : 1)
}
