import { setTimeout as delay } from 'node:timers/promises'
import { DEFAULT_ACL } from '../../policy/default-acl.ts'
import { startFieldSender } from '../support/field-sender.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/until.ts'
import { DtlsClients } from './dtls-client.ts'
import { LightViewer } from './light-viewer.ts'

const STREAM = 'crowd'
/** Between two crowds: the last IDR is old by then, and the hub has let the last crowd go. */
const CALM_MS = 700

/** Viewers that wait for the word to join. */
export interface Crowd extends AsyncDisposable {
  /** All join now; only the first call counts. */
  go(): void
  /** From asking for a contract to the first whole picture, ms each. */
  readonly times: Promise<number[]>
}

/** A hub and a field sender that sends by contract, with an IDR every 10 s and whenever it is asked for one. */
export interface CrowdRig extends AsyncDisposable {
  /** The viewer page. */
  readonly url: string
  /** The page that people come from. */
  readonly listUrl: string
  crowd(count: number): Crowd
}

export async function openCrowdRig(): Promise<CrowdRig> {
  await using stack = new AsyncDisposableStack()
  const hub = stack.use(await startHub([], { logLevel: 'error' }))
  const everybody = { effect: 'allow' as const, subjects: ['anonymous'], actions: ['subscribe' as const] }
  await hub.putPolicy({ acl: [...DEFAULT_ACL, { ...everybody, name: 'everybody watches' }] })
  const sender = stack.use(
    await startFieldSender({
      hub_url: hub.url,
      token: await hub.issueToken({ role: 'publisher' }),
      stream_id: STREAM,
      class: 'focus',
      card: { gopSeconds: 10, width: 640, height: 360 },
    }),
  )
  if (sender.encoder !== 'gstreamer') throw new Error('GStreamer is missing: no IDR on request')
  await until(() => sender.demands.length > 0, 'the control channel')
  const dtls = await DtlsClients.make()
  const join = async (viewers: DisposableStack): Promise<number> => {
    const from = performance.now()
    const viewer = viewers.use(await LightViewer.join({ hubUrl: hub.url, streamId: STREAM, dtls }))
    await viewer.picture
    return performance.now() - from
  }
  const owned = stack.move()
  return {
    url: `${hub.url}/watch/${STREAM}`,
    listUrl: `${hub.url}/`,
    crowd(count) {
      const viewers = new DisposableStack()
      const word = Promise.withResolvers<void>()
      const times = word.promise.then(() => Promise.all(Array.from({ length: count }, () => join(viewers))))
      return {
        times,
        go: () => word.resolve(),
        async [Symbol.asyncDispose]() {
          viewers.dispose()
          await delay(CALM_MS)
        },
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
