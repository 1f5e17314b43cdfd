import { messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { StreamState } from '../common/wire/stream.ts'
import { SLATE } from '../common/wire/switched-inputs.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import type { Metrics } from './metrics.ts'
import { RejectionLines } from './rejection-lines.ts'
import { StreamSeries } from './stream-series.ts'

const TROUBLED: ReadonlySet<StreamState['state']> = new Set(['refused', 'input_lost', 'no_picture'])

/** Turns every fact that the rooms report into one counter and one log line. */
export function mediaEvents(metrics: Metrics, root: Logger): MediaEvents {
  const logger = root.child({ room: 'sfu' })
  const series = new StreamSeries()
  const rejectionLines = new RejectionLines()
  return {
    workerDied(slot, worker_pid) {
      metrics.restarts.inc({ service: 'worker' })
      logger.error({ slot, worker_pid }, 'media worker died; starting another')
    },
    workerBack(slot, tookMs) {
      logger.info({ slot, took_ms: Math.round(tookMs) }, 'media worker replaced')
    },
    ingressDied(stream, how) {
      metrics.restarts.inc({ service: 'ingress' })
      logger.error({ ...ids(stream), how }, 'ingress process died; starting another')
    },
    ingressFailed(stream, code, message) {
      metrics.errors.inc({ stage: 'ingress', kind: code })
      logger.error({ ...ids(stream), code }, message)
    },
    switchDied(stream, how) {
      metrics.restarts.inc({ service: 'switch' })
      logger.error({ ...ids(stream), how }, 'switch process died; starting another')
    },
    switched(stream, { from, to, cause, reason }) {
      metrics.switches.inc({ cause })
      logger[to === SLATE ? 'warn' : 'info'](
        { ...ids(stream), from, to, cause },
        `${to} is on air: ${reason}`,
      )
    },
    inputState(stream, { id, state, reason }) {
      logger.info({ ...ids(stream), input: id, state, reason }, `input ${id} is ${state}`)
    },
    mergeRefused(stream, inputs) {
      metrics.errors.inc({ stage: 'switch', kind: 'merge_refused' })
      logger.error(
        { ...ids(stream), inputs },
        'inputs claim the same capture times and have different pictures',
      )
    },
    portsTaken(stream, why) {
      if (why === null) return logger.info(ids(stream), "the stream's ports are there again")
      metrics.errors.inc({ stage: 'ingress', kind: 'rist_port_unavailable' })
      logger.error({ ...ids(stream), code: 'rist_port_unavailable' }, why)
    },
    flow(stream, state) {
      logger.info({ ...ids(stream), state }, `sender's flow ${state}`)
    },
    linkWays(stream, ways) {
      const detoured = Object.values(ways).some((via) => via !== 'udp')
      for (const via of Object.values(ways)) if (via !== 'udp') metrics.detoursTaken.inc({ via })
      logger[detoured ? 'warn' : 'info'](
        { ...ids(stream), ways },
        detoured ? 'no UDP from the sender on some links: they take a detour' : 'all links use UDP',
      )
    },
    bufferFitted(stream, buffer_ms, rtt_ms) {
      series.set(metrics.ristBuffer, stream, {}, buffer_ms)
      logger.info({ ...ids(stream), buffer_ms, rtt_ms }, 'recovery buffer fitted to the path')
    },
    streamState(stream, { state, reason }) {
      const level = TROUBLED.has(state) ? 'warn' : 'info'
      logger[level]({ ...ids(stream), state, reason }, `stream is ${state.replace('_', ' ')}`)
      if (state === 'refused') metrics.rejected.inc({ reason: 'media' })
      if (state === 'ended') series.drop(stream)
    },
    viewerMoved(stream, { outcome, from, to, tookMs, reason }) {
      metrics.viewerMoves.inc({ outcome })
      logger[outcome === 'broken' ? 'warn' : 'info'](
        { ...ids(stream), outcome, from, to, took_ms: Math.round(tookMs), reason },
        `a viewer was to move from media worker ${from} to ${to}: ${outcome}`,
      )
    },
    iceRestarted(stream, { of, reason }) {
      metrics.iceRestarts.inc({ by: reason === 'hub' ? 'hub' : 'client', of })
      logger.info({ ...(stream && ids(stream)), of, reason }, 'ICE restarts')
    },
    rejected(stream, reason, detail, count = 1) {
      metrics.rejected.inc({ reason }, count)
      const line = rejectionLines.next(reason, performance.now())
      if (!line) return
      logger.warn(
        { ...(stream && ids(stream)), reason, detail, count, ...line },
        `turned away: ${reason.replaceAll('_', ' ')}`,
      )
    },
    inputIssues(stream, counts) {
      for (const [kind, count] of Object.entries(counts)) metrics.inputIssues.inc({ kind }, count)
      logger.warn({ ...ids(stream), counts }, 'input is damaged')
    },
    ingressStats(stream, stats) {
      stats.video.forEach(({ kbps }, rendition) => {
        series.set(metrics.bitrate, stream, { track: `video${rendition}` }, kbps)
      })
      series.set(metrics.bitrate, stream, { track: 'audio' }, stats.audio_kbps)
      for (const kind of ['received', 'recovered', 'lost'] as const)
        series.set(metrics.ristPackets, stream, { kind }, stats[kind])
      metrics.retransmits.inc({ class: stream.streamClass }, stats.recovered)
      for (const link of stats.links) {
        series.set(metrics.linkRtt, stream, { link: link.name }, link.rtt_ms)
        series.set(metrics.linkBitrate, stream, { link: link.name }, link.bitrate_kbps)
      }
    },
    viewerJoined(stream) {
      logger.debug(ids(stream), 'viewer connected')
    },
    viewerLeft(stream) {
      logger.debug(ids(stream), 'viewer left')
    },
    viewerReport(_stream, streamClass, report) {
      const labels = { class: streamClass }
      if (report.glass_to_glass_ms !== null)
        metrics.glassToGlass.observe(labels, Math.max(0, report.glass_to_glass_ms) / 1000)
      if (report.join_ms !== null) metrics.join.observe(labels, report.join_ms / 1000)
      metrics.jitter.observe(labels, report.jitter_ms / 1000)
      metrics.loss.observe(labels, report.loss)
      metrics.viewerBitrate.observe(labels, report.bitrate_kbps)
    },
    publisherReport(stream, report) {
      series.set(metrics.bitrate, stream, { track: 'published' }, report.bitrate_kbps)
    },
    error(stage, kind, cause) {
      metrics.errors.inc({ stage, kind })
      logger.error({ stage, kind, err: cause instanceof Error ? cause : undefined }, messageOf(cause))
    },
  }
}

/** The name of a stream in log fields and metric labels. */
function ids(stream: StreamName): { tenant_id: string; stream_id: string } {
  return { tenant_id: stream.tenantId, stream_id: stream.streamId }
}
