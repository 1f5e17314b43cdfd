import type { TenantFact, TenantFacts } from '../facts/fact.ts'
import type { Subscription } from '../facts/fact-bus.ts'
import type { HappenedEvent, Webhooks } from './webhooks.ts'

/** Most facts of a tenant that wait while the store takes earlier ones. */
const CAPACITY = 1000

const TOLD = [
  'stream',
  'switched',
  'contract',
  'program',
  'node',
  'node_config',
  'node_command',
  'node_broadcast',
] as const
type Told = (typeof TOLD)[number]

/** Tells a tenant's webhooks what happens to its streams, contracts, programs and nodes. */
export function webhookFacts(
  facts: Pick<TenantFacts, 'subscribe'>,
  webhooks: Pick<Webhooks, 'report'>,
): Subscription {
  return facts.subscribe({
    name: 'webhooks',
    of: 'all',
    kinds: TOLD,
    capacity: CAPACITY,
    async take(batch) {
      const events = batch.map(eventOf).filter((event) => event !== null)
      await Promise.all(events.map((event) => webhooks.report(event)))
    },
  })
}

/** null for facts that are no event: a stream that waits for its sender, and shared nodes of the hub. */
function eventOf({ tenantId, at, body }: TenantFact<Told>): HappenedEvent | null {
  if (tenantId === null) return null
  const about = { tenant_id: tenantId, at }
  switch (body.kind) {
    case 'stream': {
      const { state, reason } = body.state
      if (state === 'waiting') return null
      const data = { stream_id: body.stream.streamId, ...(reason !== undefined && { reason }) }
      return { ...about, event: `stream.${state}`, data }
    }
    case 'switched': {
      const { from, to, cause, reason } = body.event
      const data = { stream_id: body.stream.streamId, from, to, cause, reason }
      return { ...about, event: 'stream.switched', data }
    }
    case 'contract': {
      const { contract_id, stream_id, version, class: streamClass } = body.contract
      const data = { contract_id, stream_id, version, class: streamClass }
      return { ...about, event: `contract.${body.news}`, data }
    }
    case 'program':
      return {
        ...about,
        event: `program.${body.news}`,
        data: { program_id: body.programId, ...body.data },
      }
    case 'node':
      return { ...about, event: body.up ? 'node.online' : 'node.offline', data: { node_id: body.nodeId } }
    case 'node_config': {
      const { nodeId: node_id, news, version, reason } = body
      return { ...about, event: `node.config_${news}`, data: { node_id, version, reason } }
    }
    case 'node_command': {
      const { nodeId: node_id, commandId: command_id, command, streamId: stream_id, outcome, reason } = body
      const data = { node_id, command_id, do: command, stream_id, reason }
      return { ...about, event: `node.command_${outcome}`, data }
    }
    case 'node_broadcast': {
      const { nodeId: node_id, streamId: stream_id, state, reason } = body
      return { ...about, event: 'node.broadcast', data: { node_id, stream_id, state, reason } }
    }
  }
}
