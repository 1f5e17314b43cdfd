import type { MediaEvents, StreamName } from '../../sfu/media-events.ts'
import type { TenantFacts } from './fact.ts'

/** Beside counters and log lines, tells listeners the facts of media. */
export function mediaFacts(events: MediaEvents, facts: Pick<TenantFacts, 'tell'>): MediaEvents {
  const worker = (slot: number, died: string | null) =>
    facts.tell(null, { kind: 'child', subject: `service:worker-${slot}`, died })
  const childDied = ({ tenantId, streamId }: StreamName, died: string) => {
    const subject = `stream:${streamId}`
    facts.tell(tenantId, { kind: 'child', subject, died })
    // The stream's state shows how the successor does. The alarm lasts as long as processes die.
    facts.tell(tenantId, { kind: 'child', subject, died: null })
  }
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
      childDied(stream, `the ingress process ended (${how}) and is replaced`)
    },
    portsTaken(stream, taken) {
      events.portsTaken(stream, taken)
      facts.tell(stream.tenantId, { kind: 'ports', stream, taken })
    },
    switchDied(stream, how) {
      events.switchDied(stream, how)
      childDied(stream, `the switch process ended (${how}) and is replaced`)
    },
    switched(stream, event) {
      events.switched(stream, event)
      facts.tell(stream.tenantId, { kind: 'switched', stream, event })
    },
    inputState(stream, input) {
      events.inputState(stream, input)
      facts.tell(stream.tenantId, { kind: 'lane_input', stream, input })
    },
    mergeRefused(stream, inputs) {
      events.mergeRefused(stream, inputs)
      facts.tell(stream.tenantId, { kind: 'merge_refused', stream, inputs })
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
