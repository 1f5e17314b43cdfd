import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import type { TopologyParts } from './topology/open-topology.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

export interface Listeners {
  readonly overlay: Pick<TopologyParts, 'slo' | 'alarms'>
  readonly webhooks: Pick<Webhooks, 'report'>
  /** What arrived over each link of a stream in the last second: evidence that they deliver. */
  readonly linkArrivals: (stream: StreamName, links: IngressStats['links']) => void
}

/** What becomes of a stream, as webhooks are told it; `waiting` is nothing that happened. */
const WEBHOOK_OF = {
  live: 'stream.live',
  input_lost: 'stream.input_lost',
  refused: 'stream.refused',
  ended: 'stream.ended',
} as const

/**
 * The same facts for more ears: beside counters and log lines, viewers' reports count for the service levels, a lost
 * input becomes an alarm, and a tenant's webhooks hear what becomes of its streams.
 */
export function toldWidely(events: MediaEvents, listeners: () => Listeners | null): MediaEvents {
  return {
    ...events,
    streamState(stream, state) {
      events.streamState(stream, state)
      const ears = listeners()
      if (!ears) return
      const { alarms } = ears.overlay
      const name = alarmName(stream)
      if (state.state === 'ended') alarms.gone(name, Date.now())
      else alarms.report(name, state.state === 'input_lost', 'no media arrives from the sender', Date.now())
      if (state.state !== 'waiting')
        ears.webhooks.report({
          event: WEBHOOK_OF[state.state],
          tenant_id: stream.tenantId,
          data: { stream_id: stream.streamId, ...(state.reason !== undefined && { reason: state.reason }) },
        })
    },
    ingressStats(stream, stats) {
      events.ingressStats(stream, stats)
      listeners()?.linkArrivals(stream, stats.links)
    },
    viewerReport(stream, streamClass, report, viewer) {
      events.viewerReport(stream, streamClass, report, viewer)
      if (report.glass_to_glass_ms === null) return
      const { tenantId, streamId } = stream
      const watched = { tenantId, streamId, streamClass, viewer }
      listeners()?.overlay.slo.record(watched, report.glass_to_glass_ms, Date.now())
    },
  }
}

function alarmName({ tenantId, streamId }: StreamName) {
  return { kind: 'input_lost', tenantId, subject: `stream:${streamId}` } as const
}
