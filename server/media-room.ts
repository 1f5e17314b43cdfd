import type { Logger } from '../common/logger.ts'
import type { WorkersAnswer } from '../common/wire/statistics-api.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { workerStatistics } from '../sfu/media-statistics.ts'
import { Placement } from '../sfu/placement.ts'
import { StreamRegistry } from '../sfu/stream-registry.ts'
import type { Slates } from '../sfu/switch/lane-slate.ts'
import type { ViewerMover } from '../sfu/viewer-mover.ts'
import { workerBinary, workerSends } from '../sfu/worker-binary.ts'
import { WorkerCpu } from '../sfu/worker-cpu.ts'
import { WorkerPool } from '../sfu/worker-pool.ts'
import type { Config } from './config/config.ts'
import type { MediaAddresses } from './media-addresses/media-addresses.ts'

export type MediaConfig = Pick<
  Config,
  | 'workers'
  | 'batchedSends'
  | 'rtcIp'
  | 'rtcPort'
  | 'ristIp'
  | 'ristPorts'
  | 'rtpPorts'
  | 'consumersPerWorker'
>

/** The media workers, and the streams on them. */
export interface MediaRoom extends AsyncDisposable {
  readonly workers: WorkerPool
  readonly cpu: WorkerCpu
  readonly placement: Placement
  readonly streams: StreamRegistry
  /** The load of each worker that is up. */
  statistics(mover: Pick<ViewerMover, 'movedOf'>): WorkersAnswer
}

/** Starts the media workers. @param slates what lanes without input show @throws CodedError `cannot_listen` */
export async function openMedia(
  config: MediaConfig,
  addresses: Pick<MediaAddresses, 'announced'>,
  slates: Slates,
  events: MediaEvents,
  logger: Logger,
): Promise<MediaRoom> {
  await using stack = new AsyncDisposableStack()
  const { workers: count, batchedSends, rtcIp, rtcPort, ristPorts, rtpPorts, consumersPerWorker } = config
  const webRtc = { ip: rtcIp, announced: () => addresses.announced.rtc, basePort: rtcPort }
  const workers = stack.use(await WorkerPool.open({ count, webRtc, batchedSends, events }))
  const sends = workerSends(workerBinary())
  if (batchedSends && !sends.batched)
    logger.info({ why: sends.why }, 'packets of media workers leave one by one, which costs more CPU')
  const cpu = new WorkerCpu()
  const placement = new Placement({
    size: workers.size,
    slots: () => (workers.answering.length > 0 ? workers.answering : workers.slots),
    census: workers.census,
    cpuOf: ({ index }) => cpu.loadOf(index),
    consumersPerWorker,
  })
  const ports = { rist: ristPorts, ristIp: config.ristIp, rtp: rtpPorts }
  const { census } = workers
  const streams = stack.use(new StreamRegistry(ports, { placement, events, logger, census, slates }))
  stack.defer(workers.onReplaced(() => streams.workerReplaced()))
  const owned = stack.move()
  return {
    workers,
    cpu,
    placement,
    streams,
    statistics: (mover) => workerStatistics({ workers, placement, cpu, streams, mover }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
