import type { Logger } from '../../common/logger.ts'
import type { Metrics } from '../metrics.ts'
import type { TenantFact, TenantFacts } from './fact.ts'
import type { Subscription } from './fact-bus.ts'

const LINED = ['alarm', 'node', 'node_config', 'node_command', 'node_broadcast', 'reroute'] as const
type Lined = (typeof LINED)[number]

const CONFIG_LINES = {
  applied: 'the node has applied its configuration',
  refused: 'the node refused its configuration; the one before holds',
  local: 'somebody configured the node at the device itself',
} as const
const TROUBLED: ReadonlySet<string> = new Set(['no_input', 'no_contract', 'failed'])

/** Turns each fact of the topology and of field senders into one counter and one log line. */
export function factLines(
  facts: Pick<TenantFacts, 'subscribe'>,
  metrics: Pick<Metrics, 'alarmsRaised' | 'reroutes' | 'nodeConfigs' | 'nodeCommands'>,
  root: Logger,
): Subscription {
  const logger = root.child({ room: 'topology' })
  const line = ({ tenantId: tenant_id, body }: TenantFact<Lined>) => {
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
      case 'node_config': {
        const { nodeId: node_id, news, version, reason } = body
        metrics.nodeConfigs.inc({ outcome: news })
        const about = { tenant_id, node_id, version, ...(reason !== null && { reason }) }
        return logger[news === 'refused' ? 'warn' : 'info'](about, CONFIG_LINES[news])
      }
      case 'node_command': {
        const { nodeId: node_id, commandId: command_id, command, outcome, reason } = body
        metrics.nodeCommands.inc({ outcome })
        const about = { tenant_id, node_id, command_id, command, ...(reason !== null && { reason }) }
        return logger[outcome === 'done' ? 'info' : 'warn'](about, `command to the node is ${outcome}`)
      }
      case 'node_broadcast': {
        const { nodeId: node_id, streamId: stream_id, state, reason } = body
        const level = TROUBLED.has(state) ? 'warn' : 'info'
        return logger[level]({ tenant_id, node_id, stream_id, reason }, `broadcast of the node is ${state}`)
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
    kinds: LINED,
    capacity: 10_000,
    take(batch) {
      for (const fact of batch) line(fact)
    },
  })
}
