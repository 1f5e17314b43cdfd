import { z } from 'zod'
import type { TestCardOptions } from '../../../tools/demo/test-card.ts'
import { Chromium } from '../../support/chromium.ts'
import { letEverybodyWatch } from '../../support/everybody-watches.ts'
import { type FieldSender, startFieldSender } from '../../support/field-sender.ts'
import { startHub, type TestHub, type TestStream } from '../../support/hub.ts'
import { InputScreen } from '../../support/input-screen.ts'
import { until } from '../../support/until.ts'

/**
 * What the senders encode: both, the hub and the browser share the machine's cores. IDRs come on request, and the larger
 * rendition only while anybody wants it.
 */
export const CARD = {
  width: 640,
  height: 360,
  videoKbps: 1500,
  renditions: 2,
  gopSeconds: 10,
} as const satisfies TestCardOptions

/** A hub that anybody may watch, a browser, and field senders with contracts. */
export interface SwitchRig extends AsyncDisposable {
  readonly hub: TestHub
  readonly chromium: Chromium
  /**
   * Starts a sender, as one of a stream's inputs where that is named. Its card has the name of the stream that it feeds;
   * resolves when that stream is live.
   */
  send(streamId: string, how?: SendOptions): Promise<FieldSender>
  /** The viewer page of a stream. */
  screen(streamId: string, names: readonly string[]): Promise<InputScreen>
  /** @throws where the hub does not answer with this status */
  ask(method: string, path: string, body: unknown, status: number): Promise<unknown>
}

export interface SendOptions {
  readonly input?: 'primary' | 'standby'
  /** Of a sender's node; that of a publisher by default. */
  readonly token?: string
}

export interface SwitchRigOptions {
  /** Of the configuration: their senders have no contract of their own. */
  readonly streams?: readonly TestStream[]
  /** The recovery buffer of class `focus`, ms, where it is not to be fitted to its path. */
  readonly bufferMs?: number
}

export async function openSwitchRig({ streams = [], bufferMs }: SwitchRigOptions = {}): Promise<SwitchRig> {
  await using stack = new AsyncDisposableStack()
  const hub = stack.use(await startHub(streams, { logLevel: 'warn', workers: 1 }))
  await letEverybodyWatch(hub, {
    ...(bufferMs !== undefined && {
      classes: { focus: { rist_buffer: { min_ms: bufferMs, max_ms: bufferMs } } },
    }),
  })
  const publisher = await hub.issueToken({ role: 'publisher' })
  const chromium = stack.use(await Chromium.launch())
  const owned = stack.move()
  return {
    hub,
    chromium,
    async send(streamId, { input, token = publisher } = {}) {
      const name = input === undefined ? streamId : `${streamId}.${input}`
      const sender = owned.use(
        await startFieldSender({
          hub_url: hub.url,
          token,
          stream_id: streamId,
          class: 'focus',
          ...(input !== undefined && { input }),
          card: { ...CARD, name },
        }),
      )
      if (sender.encoder !== 'gstreamer') throw new Error('GStreamer is missing: no IDR on request')
      await until(() => sender.demands.length > 0, 'the control channel')
      await until(() => isLive(hub, name), `${name} is live`)
      return sender
    },
    async screen(streamId, names) {
      const url = `${hub.url}/watch/${streamId}`
      return owned.use(await InputScreen.open(chromium, { url, names, viewport: VIEWPORT }))
    },
    async ask(method, path, body, status) {
      const answer = await hub.api(method, path, body)
      if (answer.status !== status)
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** A browser paints in software on the very cores that are measured. */
const VIEWPORT = { width: 640, height: 480 }

const streamList = z.object({ streams: z.array(z.object({ stream_id: z.string(), state: z.string() })) })

export async function isLive(hub: TestHub, streamId: string): Promise<boolean> {
  const { body } = await hub.api('GET', '/v1/streams')
  return streamList.parse(body).streams.some((each) => each.stream_id === streamId && each.state === 'live')
}
