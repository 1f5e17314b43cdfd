import { SETTINGS } from '../../../server/config/settings.ts'
import { Lane } from '../../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../../sfu/lane/lane-identity.ts'
import { Stream } from '../../../sfu/stream.ts'
import type { ViewingTerms } from '../../../sfu/viewed-media.ts'
import { Viewer } from '../../../sfu/viewer.ts'
import { workerBinary, workerSends } from '../../../sfu/worker-binary.ts'
import { receiveRtpParameters } from '../../../signaling/client/mediasoup-shapes.ts'
import { openRelays } from '../../support/local-relays.ts'
import { openWorkers, placementOn } from '../../support/local-workers.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { type OpenServer, START_KBPS } from './fanout-side.ts'
import { mediasoupInputs, mediasoupViewer } from './mediasoup-viewer.ts'

const TERMS: ViewingTerms = {
  contractId: 'bench',
  abr: { min_kbps: 100, start_kbps: START_KBPS, max_kbps: 10_000 },
  priority: 100,
  view: { video: true, audio: true, visible: true, focused: false, tile: null },
}

/**
 * Whether our worker's packets leave many at a time: as the hub's do, unless the hub's setting `BATCHED_SENDS` is off.
 * @throws Error where the setting is neither true nor false
 */
export function sendsBatched(): boolean {
  const { env, read, default: usual } = SETTINGS.batchedSends
  const wanted = read(process.env[env] ?? usual)
  if (wanted === undefined) throw new Error(`${env} is "${process.env[env]}": true and false are allowed`)
  return wanted && workerSends(workerBinary()).batched
}

/** The SFU as the hub uses it: a stream on a worker of the pool, and its viewers with everything that watches them. */
export const openLanecast: OpenServer = async (rtpPort, renditions) => {
  const { events } = recordEvents()
  const pool = await openWorkers(1, sendsBatched())
  const placement = placementOn(pool, 100_000)
  const spec = { tenantId: 'bench', streamId: 'fanout', streamClass: 'director' } as const
  const stream = new Stream(spec, {
    placement,
    census: pool.census,
    events,
    relays: await openRelays(),
  })
  const slot = stream.home()!
  const lane = await Lane.open(slot, { renditions, audio: false }, new LaneIdentity('fanout'), rtpPort)
  const media = { slot, producers: lane.producers }
  stream.attach(() => ({
    media,
    demanded: () => {},
    workerReplaced: () => {},
    [Symbol.asyncDispose]: async () => lane.close(),
  }))
  let gone = 0
  return {
    pid: slot.worker.pid,
    get gone() {
      return gone
    },
    inputs: mediasoupInputs(lane.video!, lane.attachment(null).target),
    async addViewer(dtlsParameters) {
      const viewer = await Viewer.open(
        stream,
        START_KBPS,
        { capabilities: slot.router.rtpCapabilities },
        {
          transportLost: () => {
            gone += 1
          },
          mediaFailed: (_kind, error) => {
            throw error
          },
        },
      )
      const [consumer] = await viewer.add(stream, TERMS, quiet).consume(false)
      await viewer.bound()
      await viewer.end.connect(dtlsParameters)
      return mediasoupViewer(viewer.end.transport, receiveRtpParameters.parse(consumer!.rtp_parameters))
    },
    async [Symbol.asyncDispose]() {
      await stream[Symbol.asyncDispose]()
      await pool[Symbol.asyncDispose]()
    },
  }
}

const quiet = { tell: () => {}, offer: async () => {} }
