import type { Page } from 'playwright-core'
import type { Chromium } from './chromium.ts'
import type { TestHub } from './hub.ts'
import { InputScreen } from './input-screen.ts'
import { type InputWatch, watchInputs } from './input-watch.ts'
import { laneFaults } from './lane-faults.ts'
import { RtcPage } from './rtc-page.ts'
import { until } from './until.ts'
import { WeriftViewer } from './werift-viewer.ts'

const KINDS = ['video', 'audio'] as const

/**
 * Everybody who watches a lane at once: the viewer page in Chromium, a WHEP player in Chromium, and werift, which keeps
 * each RTP packet.
 */
export class LaneWatchers implements AsyncDisposable {
  readonly screen: InputScreen
  readonly werift: WeriftViewer
  readonly #whep: InputWatch
  readonly #stack: AsyncDisposableStack

  private constructor(
    parts: { screen: InputScreen; werift: WeriftViewer; whep: InputWatch },
    stack: AsyncDisposableStack,
  ) {
    this.screen = parts.screen
    this.werift = parts.werift
    this.#whep = parts.whep
    this.#stack = stack
  }

  /** Resolves when all of them have pictures. @param names of the cards that may come */
  static async open(
    hub: TestHub,
    chromium: Chromium,
    streamId: string,
    names: readonly string[],
  ): Promise<LaneWatchers> {
    await using stack = new AsyncDisposableStack()
    const werift = stack.use(await WeriftViewer.open(hub.url, streamId))
    const viewport = { width: 640, height: 480 }
    const screen = stack.use(
      await InputScreen.open(chromium, { url: `${hub.url}/watch/${streamId}`, names, viewport }),
    )
    const player = stack.use(await RtcPage.open(chromium))
    const { status, body } = await player.watch(`${hub.url}/whep/${streamId}`, null, { codecs: ['H264'] })
    if (status !== 201) throw new Error(`WHEP: ${status} ${body}`)
    await untilItPlays(player.page)
    const whep = stack.use(await watchInputs(player.page, names))
    return new LaneWatchers({ screen, werift, whep }, stack.move())
  }

  /** What werift receives of a kind. Its consumer must stay the same, so ask once. */
  async packets(kind: 'audio' | 'video') {
    return (await this.werift.track(kind)).packets
  }

  /** Resolves when page and player show this input; null is a picture without a mark. */
  async show(input: string | null, from: number, withinMs?: number): Promise<void> {
    const player = async () => {
      const { shown } = await this.#whep.take()
      return shown.some((picture) => picture.input === input && picture.at > from)
    }
    await Promise.all([
      this.screen.shows(input, from, withinMs),
      until(player, `${input ?? 'the slate'} in the WHEP player`, withinMs),
    ])
  }

  /**
   * What is wrong with the lane, packet by packet, since packets came at all: none is right.
   * @param holes allowed in each kind
   */
  async faults(holes = 0, clockMs?: number): Promise<string[]> {
    const faults: string[] = []
    if (this.werift.joins.length !== 1) faults.push(`werift joined ${this.werift.joins.length} times`)
    for (const kind of KINDS) {
      const tracks = this.werift.tracks.filter((track) => track.kind === kind)
      if (tracks.length !== 1) faults.push(`${tracks.length} consumers of ${kind}`)
      for (const { packets } of tracks)
        faults.push(
          ...laneFaults(packets, kind, { holes, ...(clockMs !== undefined && { clockMs }) }).map(
            (fault) => `${kind}: ${fault}`,
          ),
        )
    }
    return faults
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

const untilItPlays = (page: Page) =>
  page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0, null, {
    timeout: 20_000,
  })
