import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { TenantFacts } from '../facts/fact.ts'
import type { Metrics } from '../metrics.ts'
import type { AlarmEvents } from './alarms.ts'
import type { TopologyListener } from './graph.ts'
import type { QosEvents } from './qos-triggers.ts'
import type { WatchedFlow } from './watched-flow.ts'

export interface TopologyEvents
  extends AlarmEvents,
    QosEvents,
    Required<Pick<TopologyListener, 'nodeUp' | 'nodeDown'>> {}

/** Tells what happens in the topology. Looks at flows mostly change nothing, so they are only counted. */
export function topologyEvents(
  facts: Pick<TenantFacts, 'tell'>,
  metrics: Pick<Metrics, 'reconsidered' | 'errors'>,
  root: Logger,
): TopologyEvents {
  const logger = root.child({ room: 'topology' })
  return {
    alarmRaised: (alarm) => facts.tell(alarm.tenant_id, { kind: 'alarm', alarm, cleared: null }),
    alarmCleared: (alarm, why, afterMs) =>
      facts.tell(alarm.tenant_id, { kind: 'alarm', alarm, cleared: { why, afterMs } }),
    nodeUp: (tenantId, nodeId) => facts.tell(tenantId, { kind: 'node', nodeId, up: true }),
    nodeDown: (tenantId, nodeId) => facts.tell(tenantId, { kind: 'node', nodeId, up: false }),
    rerouted({ tenantId, streamId, contractId, streamClass, nodes, bindings }, cause) {
      const links = bindings.map(({ link_id }) => link_id)
      const stream = { tenantId, streamId }
      facts.tell(tenantId, { kind: 'reroute', stream, contractId, streamClass, cause, nodes, links })
    },
    reconsidered(flow, causes) {
      for (const cause of causes) metrics.reconsidered.inc({ cause })
      logger.debug({ ...ids(flow), causes }, 'flow reconsidered')
    },
    reconsiderFailed(flow, causes, error) {
      metrics.errors.inc({ stage: 'topology', kind: 'reconsider' })
      logger.error({ ...ids(flow), causes, err: error }, messageOf(error))
    },
  }
}

function ids({ tenantId, streamId, contractId }: WatchedFlow) {
  return { tenant_id: tenantId, stream_id: streamId, contract_id: contractId }
}
