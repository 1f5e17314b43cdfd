import type { types } from 'mediasoup'
import { CodedError } from '../common/errors.ts'
import { pause } from '../common/retry.ts'
import { peakResidentMb } from '../common/supervision/thread-sample.ts'
import type {
  StreamStatisticsAnswer,
  ViewerMediaStatistics,
  WorkersAnswer,
} from '../common/wire/statistics-api.ts'
import type { Placement } from './placement.ts'
import type { ViewerMover } from './viewer-mover.ts'
import type { WorkerCpu } from './worker-cpu.ts'
import type { WorkerPool, WorkerSlot } from './worker-pool.ts'

/** The counters of the workers. Each call asks the workers, and waits this long for an answer, ms. */
const ANSWER_WITHIN_MS = 1000

export type TrackStatistics = StreamStatisticsAnswer['tracks'][number]

/** A worker's answer. @throws CodedError `no_worker` (503) when none comes in time */
async function answered<T>(asked: Promise<T>): Promise<T> {
  const late = new AbortController()
  const bound = pause(ANSWER_WITHIN_MS, late.signal).then(() => {
    throw new CodedError('no_worker', 'the media worker does not answer; it is replaced if that lasts')
  })
  try {
    return await Promise.race([asked, bound])
  } finally {
    late.abort()
    bound.catch(() => {})
  }
}

/**
 * A producer's media as it arrives. Renditions that were never sent are left out.
 * @throws CodedError `no_worker` (503) while its worker does not answer
 */
export async function trackStatistics(producer: types.Producer): Promise<TrackStatistics> {
  const [codec] = producer.rtpParameters.codecs
  const order = (producer.rtpParameters.encodings ?? []).map(({ ssrc }) => ssrc)
  const stats = (await answered(producer.getStats())).toSorted(
    (a, b) => order.indexOf(a.ssrc) - order.indexOf(b.ssrc),
  )
  return {
    kind: producer.kind,
    codec: codec?.mimeType ?? producer.kind,
    renditions: stats.map((each) => ({
      kbps: Math.round(each.bitrate / 1000),
      packets: each.packetCount,
      packets_lost: each.packetsLost,
      // mediasoup counts jitter in units of the RTP clock.
      jitter_ms: (each.jitter * 1000) / (codec?.clockRate ?? 90_000),
      score: each.score,
      keyframe_requests: each.pliCount + each.firCount,
    })),
  }
}

/**
 * One viewer's transport with some of its consumers.
 * @throws CodedError `no_worker` (503) while its worker does not answer
 */
export async function viewerStatistics(
  slot: WorkerSlot,
  transport: types.WebRtcTransport,
  consumers: readonly types.Consumer[],
): Promise<ViewerMediaStatistics> {
  const [[stats], tracks] = await answered(
    Promise.all([transport.getStats(), Promise.all(consumers.map(consumerStatistics))]),
  )
  const available = stats?.availableOutgoingBitrate
  return {
    worker: slot.index,
    protocol: transport.iceSelectedTuple?.protocol ?? null,
    available_kbps: available === undefined ? null : Math.round(available / 1000),
    sent_kbps: Math.round((stats?.sendBitrate ?? 0) / 1000),
    tracks,
  }
}

async function consumerStatistics(
  consumer: types.Consumer,
): Promise<ViewerMediaStatistics['tracks'][number]> {
  const stats = (await consumer.getStats()).find(({ type }) => type === 'outbound-rtp')
  const { currentLayers } = consumer
  return {
    kind: consumer.kind,
    codec: consumer.rtpParameters.codecs[0]?.mimeType ?? consumer.kind,
    paused: consumer.paused,
    layer: currentLayers
      ? { spatial: currentLayers.spatialLayer, temporal: currentLayers.temporalLayer ?? 0 }
      : null,
    kbps: Math.round((stats?.bitrate ?? 0) / 1000),
    packets: stats?.packetCount ?? 0,
    packets_lost: stats?.packetsLost ?? 0,
    rtt_ms: stats?.roundTripTime ?? null,
    score: consumer.score?.score ?? 0,
  }
}

export interface WorkerStatisticsSources {
  readonly workers: Pick<WorkerPool, 'slots' | 'size' | 'census'>
  readonly placement: Pick<Placement, 'viewersOn' | 'consumersPerWorker'>
  readonly cpu: Pick<WorkerCpu, 'loadOf'>
  readonly streams: { lanesOn(slot: WorkerSlot): number }
  readonly mover: Pick<ViewerMover, 'movedOf'>
}

/** The load of each worker that is up. The kernel is asked, so that a hanging worker is included. */
export function workerStatistics(sources: WorkerStatisticsSources): WorkersAnswer {
  const { workers, placement, cpu, streams, mover } = sources
  return {
    workers: workers.slots.flatMap((slot) => {
      const max_rss_mb = peakResidentMb(slot.worker.pid)
      // A worker that dies meanwhile is not up.
      if (max_rss_mb === null) return []
      return {
        index: slot.index,
        pid: slot.worker.pid,
        cpu: cpu.loadOf(slot.index),
        max_rss_mb,
        streams: streams.lanesOn(slot),
        viewers: placement.viewersOn(slot),
        viewers_moved_here: mover.movedOf(slot.index).here,
        viewers_moved_away: mover.movedOf(slot.index).away,
        consumers: workers.census.consumersOn(slot.worker),
        transports: workers.census.transportsOn(slot.worker),
      }
    }),
    size: workers.size,
    consumers_per_worker: placement.consumersPerWorker,
  }
}
