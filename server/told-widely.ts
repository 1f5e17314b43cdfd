import { SYSTEM_CLOCK } from '../common/clock.ts'
import type { AlarmKind } from '../common/wire/alarm.ts'
import type { IngressStats } from '../common/wire/ingress-ipc.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import type { HubLoad } from './hub-load.ts'
import type { AlarmName } from './topology/alarms.ts'
import type { TopologyParts } from './topology/open-topology.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

export interface Listeners {
  readonly overlay: Pick<TopologyParts, 'slo' | 'alarms'>
  readonly webhooks: Pick<Webhooks, 'report'>
  readonly hubLoad: Pick<HubLoad, 'inputStats'>
  /** What arrived over each link of a stream in the last second: evidence that they deliver. */
  readonly linkArrivals: (stream: StreamName, links: IngressStats['links']) => void
}

/** What becomes of a stream, as webhooks are told it; `waiting` is nothing that happened. */
const WEBHOOK_OF = {
  live: 'stream.live',
  no_picture: 'stream.no_picture',
  input_lost: 'stream.input_lost',
  refused: 'stream.refused',
  ended: 'stream.ended',
} as const

/**
 * The same facts for more ears: beside counters and log lines, viewers' reports count for the service levels, a lost
 * input becomes an alarm, and a tenant's webhooks hear what becomes of its streams.
 */
export function toldWidely(events: MediaEvents, listeners: () => Listeners | null): MediaEvents {
  /** A child died (`message`), or is back (null). */
  const restarting = (tenantId: string | null, subject: string, message: string | null) => {
    const name = { kind: 'service_restarting', tenantId, subject } as const
    listeners()?.overlay.alarms.report(name, message !== null, message ?? '', SYSTEM_CLOCK.steady())
  }
  return {
    ...events,
    workerDied(slot, pid) {
      events.workerDied(slot, pid)
      restarting(null, `service:worker-${slot}`, `media worker ${slot} died and is being replaced`)
    },
    workerBack(slot, tookMs) {
      events.workerBack(slot, tookMs)
      restarting(null, `service:worker-${slot}`, null)
    },
    ingressDied(stream, how) {
      events.ingressDied(stream, how)
      const subject = `stream:${stream.streamId}`
      restarting(stream.tenantId, subject, `the ingress process ended (${how}) and is replaced`)
      // How its successor fares is told by the stream's state: the alarm lasts for as long as there are deaths.
      restarting(stream.tenantId, subject, null)
    },
    streamState(stream, state) {
      events.streamState(stream, state)
      const ears = listeners()
      if (!ears) return
      const { alarms } = ears.overlay
      const name = alarmName('input_lost', stream)
      if (state.state === 'ended')
        for (const kind of ['input_lost', 'service_restarting'] as const)
          alarms.gone(alarmName(kind, stream), SYSTEM_CLOCK.steady())
      else
        alarms.report(
          name,
          state.state === 'input_lost',
          'no media arrives from the sender',
          SYSTEM_CLOCK.steady(),
        )
      if (state.state !== 'waiting')
        ears.webhooks.report({
          event: WEBHOOK_OF[state.state],
          tenant_id: stream.tenantId,
          data: { stream_id: stream.streamId, ...(state.reason !== undefined && { reason: state.reason }) },
        })
    },
    ingressStats(stream, stats) {
      events.ingressStats(stream, stats)
      const ears = listeners()
      ears?.linkArrivals(stream, stats.links)
      ears?.hubLoad.inputStats(stream, stats)
    },
    viewerReport(stream, streamClass, report, viewer) {
      events.viewerReport(stream, streamClass, report, viewer)
      if (report.glass_to_glass_ms === null) return
      const { tenantId, streamId } = stream
      const watched = { tenantId, streamId, streamClass, viewer }
      listeners()?.overlay.slo.record(watched, report.glass_to_glass_ms, SYSTEM_CLOCK.steady())
    },
  }
}

function alarmName(kind: AlarmKind, { tenantId, streamId }: StreamName): AlarmName {
  return { kind, tenantId, subject: `stream:${streamId}` }
}
