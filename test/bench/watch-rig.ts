import { Chromium, type WatchedPage } from '../support/chromium.ts'
import { type FieldSender, startFieldSender } from '../support/field-sender.ts'
import { type FrameReader, readFrames } from '../support/frame-reader.ts'
import { type OpenStream, startHub, type TestHub } from '../support/hub.ts'
import { type ImpairedLink, openImpairedLink } from '../support/impaired-link.ts'
import type { Impairment } from '../support/impairment.ts'
import { until } from '../support/until.ts'

export interface RigOptions {
  /** What is done to each of the two links, both ways. Left out: no relay at all. */
  readonly impairment?: Partial<Impairment>
  readonly workers?: number
  readonly gopSeconds?: number
}

/** The whole way, ready to measure: hub, field sender on two links with every packet on both, Chromium. */
export interface WatchRig extends AsyncDisposable {
  readonly hub: TestHub
  readonly stream: OpenStream
  readonly links: readonly ImpairedLink[]
  readonly chromium: Chromium
  sender: FieldSender
  startSender(): Promise<FieldSender>
  /** Opens the viewer page and waits for its picture. */
  watch(): Promise<{ watched: WatchedPage; reader: FrameReader }>
}

export async function openRig({ impairment, workers, gopSeconds }: RigOptions = {}): Promise<WatchRig> {
  await using stack = new AsyncDisposableStack()
  const hub = stack.use(
    await startHub([{ streamId: 'bench' }], {
      logLevel: 'warn',
      ...(workers === undefined ? {} : { workers }),
    }),
  )
  const stream = hub.streams.get('bench')!
  const links: ImpairedLink[] = []
  if (impairment)
    for (const [index, targetPort] of stream.ports.entries())
      links.push(
        stack.use(
          await openImpairedLink({ targetPort, seed: index + 1, forward: impairment, backward: impairment }),
        ),
      )
  const ports = links.length > 0 ? links.map((link) => link.port) : stream.ports
  const startSender = () =>
    startFieldSender({
      links: ports.map((port, index) => ({ host: '127.0.0.1', port, cname: `link-${index + 1}` })),
      mode: 'duplicate',
      passphrase: stream.passphrase,
      username: stream.username,
      password: stream.password,
      ...(gopSeconds === undefined ? {} : { card: { gopSeconds } }),
    })
  const chromium = stack.use(await Chromium.launch())
  const sender = await startSender()
  const rig = { hub, stream, links, chromium, sender, startSender }
  stack.defer(() => rig.sender[Symbol.asyncDispose]())
  await until(() => isLive(hub), 'the stream is live', 20_000)
  const owned = stack.move()
  return Object.assign(rig, {
    async watch() {
      const watched = await chromium.open(`${hub.url}/watch/${stream.streamId}`)
      owned.use(watched)
      await watched.page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0, null, {
        timeout: 20_000,
      })
      return { watched, reader: owned.use(await readFrames(watched.page)) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  })
}

async function isLive(hub: TestHub): Promise<boolean> {
  const answer: { streams: { state: string }[] } = await (await fetch(`${hub.url}/v1/streams`)).json()
  return answer.streams.every(({ state }) => state === 'live')
}
