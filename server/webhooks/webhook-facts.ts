import type { TenantFact, TenantFacts } from '../facts/fact.ts'
import type { Subscription } from '../facts/fact-bus.ts'
import type { HappenedEvent, Webhooks } from './webhooks.ts'

/** Most facts of a tenant that wait while the store takes earlier ones. */
const CAPACITY = 1000

/** Tells a tenant's webhooks what happens to its streams, contracts, programs and nodes. */
export function webhookFacts(
  facts: Pick<TenantFacts, 'subscribe'>,
  webhooks: Pick<Webhooks, 'report'>,
): Subscription {
  return facts.subscribe({
    name: 'webhooks',
    of: 'all',
    kinds: ['stream', 'switched', 'contract', 'program', 'node'],
    capacity: CAPACITY,
    async take(batch) {
      const events = batch.map(eventOf).filter((event) => event !== null)
      await Promise.all(events.map((event) => webhooks.report(event)))
    },
  })
}

/** null for facts that are no event: a stream that waits for its sender, and shared nodes of the hub. */
function eventOf({
  tenantId,
  at,
  body,
}: TenantFact<'stream' | 'switched' | 'contract' | 'program' | 'node'>): HappenedEvent | null {
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
  }
}
