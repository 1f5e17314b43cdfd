import { messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { Metrics } from './metrics.ts'

/** Turns every fact the rooms report into one counter and one log line. */
export function mediaEvents(metrics: Metrics, root: Logger): MediaEvents {
  const logger = root.child({ room: 'sfu' })
  return {
    workerDied(slot, worker_pid) {
      metrics.restarts.inc({ service: 'worker' })
      logger.error({ slot, worker_pid }, 'media worker died; starting another')
    },
    workerBack(slot, tookMs) {
      logger.info({ slot, took_ms: Math.round(tookMs) }, 'media worker replaced')
    },
    ingressDied(stream_id, how) {
      metrics.restarts.inc({ service: 'ingress' })
      logger.error({ stream_id, how }, 'ingress process died; starting another')
    },
    ingressFailed(stream_id, code, message) {
      metrics.errors.inc({ stage: 'ingress', kind: code })
      logger.error({ stream_id, code }, message)
    },
    flow(stream_id, state) {
      logger.info({ stream_id, state }, `sender's flow ${state}`)
    },
    bufferFitted(stream_id, buffer_ms, rtt_ms) {
      metrics.ristBuffer.set({ stream_id }, buffer_ms)
      logger.info({ stream_id, buffer_ms, rtt_ms }, 'recovery buffer fitted to the path')
    },
    streamState(stream_id, { state, reason }) {
      const level = state === 'refused' || state === 'input_lost' ? 'warn' : 'info'
      logger[level]({ stream_id, state, reason }, `stream is ${state.replace('_', ' ')}`)
      if (state === 'refused') metrics.rejected.inc({ reason: 'media' })
    },
    rejected(stream_id, reason, detail, count = 1) {
      metrics.rejected.inc({ reason }, count)
      logger.warn({ stream_id, reason, detail, count }, `turned away: ${reason.replaceAll('_', ' ')}`)
    },
    inputIssues(stream_id, counts) {
      for (const [kind, count] of Object.entries(counts)) metrics.inputIssues.inc({ kind }, count)
      logger.warn({ stream_id, counts }, 'input is damaged')
    },
    ingressStats(stream_id, stats) {
      stats.video.forEach(({ kbps }, rendition) => {
        metrics.bitrate.set({ stream_id, track: `video${rendition}` }, kbps)
      })
      metrics.bitrate.set({ stream_id, track: 'audio' }, stats.audio_kbps)
      for (const kind of ['received', 'recovered', 'lost'] as const)
        metrics.ristPackets.set({ stream_id, kind }, stats[kind])
      for (const link of stats.links) {
        metrics.linkRtt.set({ stream_id, link: link.name }, link.rtt_ms)
        metrics.linkBitrate.set({ stream_id, link: link.name }, link.bitrate_kbps)
      }
    },
    viewerJoined(stream_id) {
      logger.debug({ stream_id }, 'viewer connected')
    },
    viewerLeft(stream_id) {
      logger.debug({ stream_id }, 'viewer left')
    },
    viewerReport(_streamId, streamClass, report) {
      const labels = { class: streamClass }
      if (report.glass_to_glass_ms !== null)
        metrics.glassToGlass.observe(labels, Math.max(0, report.glass_to_glass_ms) / 1000)
      if (report.join_ms !== null) metrics.join.observe(labels, report.join_ms / 1000)
      metrics.jitter.observe(labels, report.jitter_ms / 1000)
      metrics.loss.observe(labels, report.loss)
    },
    error(stage, kind, cause) {
      metrics.errors.inc({ stage, kind })
      logger.error({ stage, kind, err: cause instanceof Error ? cause : undefined }, messageOf(cause))
    },
  }
}
