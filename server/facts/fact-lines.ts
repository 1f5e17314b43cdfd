import type { Logger } from '../../common/logger.ts'
import type { Metrics } from '../metrics.ts'
import type { TenantFact, TenantFacts } from './fact.ts'
import type { Subscription } from './fact-bus.ts'

/** Turns each fact of the topology into one counter and one log line. */
export function factLines(
  facts: Pick<TenantFacts, 'subscribe'>,
  metrics: Pick<Metrics, 'alarmsRaised' | 'reroutes'>,
  root: Logger,
): Subscription {
  const logger = root.child({ room: 'topology' })
  const line = ({ tenantId: tenant_id, body }: TenantFact<'alarm' | 'node' | 'reroute'>) => {
    switch (body.kind) {
      case 'alarm': {
        const { kind, subject, message } = body.alarm
        const about = { kind, tenant_id, subject }
        if (body.cleared) {
          const { why, afterMs } = body.cleared
          return logger.info({ ...about, why, after_ms: Math.round(afterMs) }, 'alarm cleared')
        }
        metrics.alarmsRaised.inc({ kind })
        return logger.warn(about, `alarm: ${message}`)
      }
      case 'node': {
        const level = body.up ? 'info' : 'warn'
        return logger[level]({ tenant_id, node_id: body.nodeId }, `node is ${body.up ? 'up' : 'down'}`)
      }
      case 'reroute': {
        const { stream, contractId: contract_id, streamClass, cause, nodes, links } = body
        metrics.reroutes.inc({ class: streamClass, cause })
        const about = { tenant_id, stream_id: stream.streamId, contract_id }
        return logger.info({ ...about, cause, nodes, links }, 'flow rerouted')
      }
    }
  }
  return facts.subscribe({
    name: 'lines',
    of: 'all',
    kinds: ['alarm', 'node', 'reroute'],
    capacity: 10_000,
    take(batch) {
      for (const fact of batch) line(fact)
    },
  })
}
