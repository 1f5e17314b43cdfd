import { setTimeout as delay } from 'node:timers/promises'
import { DtlsClients } from '../support/dtls-client.ts'
import { type ContractRig, openContractRig } from './contract-rig.ts'
import { LightViewer } from './light-viewer.ts'

/** Wait between two crowds, ms: the last IDR is old by then, and the hub has released the last crowd. */
const CALM_MS = 700

/** Viewers that wait for the order to join. */
export interface Crowd extends AsyncDisposable {
  /** All join now; only the first call counts. */
  go(): void
  /** From asking for a contract to the first whole picture, ms each. */
  readonly times: Promise<number[]>
}

/** A hub and a field sender with an IDR every 10 s and on request. */
export interface CrowdRig extends ContractRig {
  crowd(count: number): Crowd
}

export async function openCrowdRig(): Promise<CrowdRig> {
  const rig = await openContractRig({ card: { gopSeconds: 10, width: 640, height: 360 } })
  const { hubUrl, streamId } = rig
  const dtls = await DtlsClients.make()
  const join = async (viewers: DisposableStack): Promise<number> => {
    const from = performance.now()
    const viewer = viewers.use(await LightViewer.join({ hubUrl, streamId, dtls }))
    await viewer.picture
    return performance.now() - from
  }
  return {
    ...rig,
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
  }
}
