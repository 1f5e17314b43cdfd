import type { TestCardOptions } from '../../tools/demo/test-card.ts'
import { letEverybodyWatch } from '../support/everybody-watches.ts'
import { startFieldSender } from '../support/field-sender.ts'
import { startHub, type TestHubOptions } from '../support/hub.ts'
import { until } from '../support/until.ts'

const STREAM = 'watched'

/** A hub and a field sender with a contract: the sender hears over its control channel what viewers need. */
export interface ContractRig extends AsyncDisposable {
  readonly hubUrl: string
  readonly streamId: string
  /** The viewer page. */
  readonly url: string
  /** The page from which people come. */
  readonly listUrl: string
}

export interface ContractRigOptions {
  readonly card: TestCardOptions
  readonly hub?: TestHubOptions
  /** The bitrate of the sender's contract, all renditions and sound together; the class's own by default. */
  readonly grantedKbps?: number
}

/** @throws where GStreamer is missing, because nobody would then answer requests for an IDR */
export async function openContractRig({
  card,
  hub: options,
  grantedKbps,
}: ContractRigOptions): Promise<ContractRig> {
  await using stack = new AsyncDisposableStack()
  const hub = stack.use(await startHub([], { logLevel: 'error', ...options }))
  await letEverybodyWatch(hub, {
    ...(grantedKbps !== undefined && {
      classes: { focus: { video_kbps: { start: grantedKbps, ceiling: grantedKbps } } },
    }),
  })
  const sender = stack.use(
    await startFieldSender({
      hub_url: hub.url,
      token: await hub.issueToken({ role: 'publisher' }),
      stream_id: STREAM,
      class: 'focus',
      card,
    }),
  )
  if (sender.encoder !== 'gstreamer') throw new Error('GStreamer is missing: no IDR on request')
  await until(() => sender.demands.length > 0, 'the control channel')
  const isLive = async () => {
    const streams = await hub.api('GET', '/v1/streams')
    return JSON.stringify(streams.body).includes('"live"')
  }
  await until(isLive, 'the stream is live', 20_000)
  const owned = stack.move()
  return {
    hubUrl: hub.url,
    streamId: STREAM,
    url: `${hub.url}/watch/${STREAM}`,
    listUrl: `${hub.url}/`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
