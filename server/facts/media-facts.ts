import type { MediaEvents } from '../../sfu/media-events.ts'
import type { TenantFacts } from './fact.ts'

/** Beside counters and log lines, tells listeners the facts of media. */
export function mediaFacts(events: MediaEvents, facts: Pick<TenantFacts, 'tell'>): MediaEvents {
  const worker = (slot: number, died: string | null) =>
    facts.tell(null, { kind: 'child', subject: `service:worker-${slot}`, died })
  return {
    ...events,
    workerDied(slot, pid) {
      events.workerDied(slot, pid)
      worker(slot, `media worker ${slot} died and is being replaced`)
    },
    workerBack(slot, tookMs) {
      events.workerBack(slot, tookMs)
      worker(slot, null)
    },
    ingressDied(stream, how) {
      events.ingressDied(stream, how)
      const subject = `stream:${stream.streamId}`
      const died = `the ingress process ended (${how}) and is replaced`
      facts.tell(stream.tenantId, { kind: 'child', subject, died })
      // The stream's state shows how the successor does. The alarm lasts as long as processes die.
      facts.tell(stream.tenantId, { kind: 'child', subject, died: null })
    },
    portsTaken(stream, taken) {
      events.portsTaken(stream, taken)
      facts.tell(stream.tenantId, { kind: 'ports', stream, taken })
    },
    streamState(stream, state) {
      events.streamState(stream, state)
      facts.tell(stream.tenantId, { kind: 'stream', stream, state })
    },
    ingressStats(stream, stats) {
      events.ingressStats(stream, stats)
      facts.tell(stream.tenantId, { kind: 'input', stream, stats })
    },
    viewerReport(stream, streamClass, report, viewer) {
      events.viewerReport(stream, streamClass, report, viewer)
      const { glass_to_glass_ms: glassToGlassMs } = report
      if (glassToGlassMs === null) return
      facts.tell(stream.tenantId, { kind: 'lateness', stream, streamClass, viewer, glassToGlassMs })
    },
  }
}
