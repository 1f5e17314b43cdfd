import type { types } from 'mediasoup'
import { Lane, LaneIdentity } from '../../../sfu/lane.ts'
import { Placement } from '../../../sfu/placement.ts'
import { Stream } from '../../../sfu/stream.ts'
import type { ViewingTerms } from '../../../sfu/viewed-media.ts'
import { Viewer } from '../../../sfu/viewer.ts'
import { WorkerPool } from '../../../sfu/worker-pool.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { type OpenServer, START_KBPS } from './fanout-side.ts'

const TERMS: ViewingTerms = {
  abr: { min_kbps: 100, start_kbps: START_KBPS, max_kbps: 10_000 },
  priority: 100,
  view: { video: true, audio: true, visible: true, focused: false, tile: null },
}

/** The SFU as the hub uses it: a stream on a worker of the pool, and its viewers with everything that watches them. */
export const openLanecast: OpenServer = async (rtpPort, renditions) => {
  const { events } = recordEvents()
  const webRtc = { ip: '127.0.0.1', announcedAddress: null, basePort: 0 }
  const pool = await WorkerPool.open({ count: 1, webRtc, events, onReplaced: () => {} })
  const placement = new Placement({
    size: 1,
    slots: () => pool.slots,
    census: pool.census,
    cpuOf: () => 0,
    lanesOn: () => 0,
    consumersPerWorker: 100_000,
  })
  const spec = { tenantId: 'bench', streamId: 'fanout', streamClass: 'director' } as const
  const stream = new Stream(spec, { placement, census: pool.census, events })
  const slot = stream.home()!
  const lane = await Lane.open(slot, { renditions, audio: false }, new LaneIdentity('fanout'), rtpPort)
  const media = { slot, producers: lane.producers }
  stream.attach(() => ({
    media,
    demanded: () => {},
    workerReplaced: () => {},
    [Symbol.asyncDispose]: async () => lane.close(),
  }))
  return {
    worker: slot.worker,
    input: { ...lane.attachment(null).target, producer: lane.video! },
    async addViewer(dtlsParameters) {
      const viewer = await Viewer.open(
        stream,
        START_KBPS,
        { capabilities: slot.router.rtpCapabilities },
        {
          transportLost: (reason) => {
            throw new Error(reason)
          },
          mediaFailed: (error) => {
            throw error
          },
        },
      )
      const [consumer] = await viewer.add(stream, TERMS, quiet).consume(false)
      await viewer.bound()
      await viewer.connect(dtlsParameters)
      const { ice_parameters, ice_candidates } = viewer.describe()
      return {
        ice: ice_parameters as unknown as types.IceParameters,
        candidate: ice_candidates[0] as unknown as types.IceCandidate,
        video: consumer!.rtp_parameters as unknown as types.RtpParameters,
      }
    },
    async [Symbol.asyncDispose]() {
      await stream[Symbol.asyncDispose]()
      await pool[Symbol.asyncDispose]()
    },
  }
}

const quiet = {
  consumerClosed: () => {},
  consumersDue: () => {},
  layerChanged: () => {},
  pictureChanged: () => {},
}
