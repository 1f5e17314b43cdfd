import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Alarm } from '../../common/wire/alarm.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { Metrics } from '../metrics.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { AlarmEvents } from './alarms.ts'
import type { TopologyListener } from './graph.ts'
import type { QosEvents } from './qos-triggers.ts'

/** Whoever else must hear of it: directors' consoles, webhooks. None of these may throw. */
export interface TopologyWatcher {
  alarmRaised?(alarm: Alarm): void
  alarmCleared?(alarm: Alarm, why: 'recovered' | 'gone'): void
  nodeUp?(tenantId: string | null, nodeId: string): void
  nodeDown?(tenantId: string | null, nodeId: string): void
}

export interface TopologyEventsOptions {
  readonly metrics: Metrics
  readonly logger: Logger
  /** Puts records on the audit trail; must neither wait nor throw. */
  readonly audit: (draft: AuditDraft) => void
  readonly now: () => number
  readonly watcher?: TopologyWatcher | undefined
}

export interface TopologyEvents
  extends AlarmEvents,
    QosEvents,
    Required<Pick<TopologyListener, 'nodeUp' | 'nodeDown'>> {}

/** Turns every fact about the topology into a counter, a log line and, where it matters later, an audit record. */
export function topologyEvents(options: TopologyEventsOptions): TopologyEvents {
  const { metrics, audit, now, watcher } = options
  const logger = options.logger.child({ room: 'topology' })
  const record = (
    tenantId: string | null,
    action: string,
    object: string,
    outcome: string,
    detail: AuditDraft['detail'],
  ) =>
    audit({ tenant_id: tenantId ?? HUB_TENANT_ID, at: now(), actor: 'hub', action, object, outcome, detail })
  return {
    alarmRaised(alarm) {
      const { kind, tenant_id, subject, message } = alarm
      metrics.alarmsRaised.inc({ kind })
      logger.warn({ kind, tenant_id, subject }, `alarm: ${message}`)
      record(tenant_id, 'alarm.raise', subject, kind, { message })
      watcher?.alarmRaised?.(alarm)
    },
    alarmCleared(alarm, why, afterMs) {
      const { kind, tenant_id, subject } = alarm
      logger.info({ kind, tenant_id, subject, why, after_ms: Math.round(afterMs) }, 'alarm cleared')
      record(tenant_id, 'alarm.clear', subject, kind, { why, after_ms: Math.round(afterMs) })
      watcher?.alarmCleared?.(alarm, why)
    },
    nodeUp(tenant_id, node_id) {
      logger.info({ tenant_id, node_id }, 'node is up')
      record(tenant_id, 'node.up', `node:${node_id}`, 'up', {})
      watcher?.nodeUp?.(tenant_id, node_id)
    },
    nodeDown(tenant_id, node_id) {
      logger.warn({ tenant_id, node_id }, 'node is down')
      record(tenant_id, 'node.down', `node:${node_id}`, 'down', {})
      watcher?.nodeDown?.(tenant_id, node_id)
    },
    reconsidered({ tenantId, streamId, contractId }, causes) {
      for (const cause of causes) metrics.reconsidered.inc({ cause })
      logger.debug(
        { tenant_id: tenantId, stream_id: streamId, contract_id: contractId, causes },
        'flow reconsidered',
      )
    },
    reconsiderFailed({ tenantId, streamId, contractId }, causes, error) {
      metrics.errors.inc({ stage: 'topology', kind: 'reconsider' })
      logger.error(
        { tenant_id: tenantId, stream_id: streamId, contract_id: contractId, causes, err: error },
        messageOf(error),
      )
    },
    rerouted({ tenantId, streamId, contractId, streamClass, nodes, bindings }, cause) {
      metrics.reroutes.inc({ class: streamClass, cause })
      const links = bindings.map(({ link_id }) => link_id)
      logger.info(
        { tenant_id: tenantId, stream_id: streamId, contract_id: contractId, cause, nodes, links },
        'flow rerouted',
      )
    },
  }
}
