import type { TenantFact, TenantFacts } from '../facts/fact.ts'
import type { Subscription } from '../facts/fact-bus.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { AuditDraft } from './audit-record.ts'

const RECORDED = ['alarm', 'node', 'node_config', 'node_command', 'switched'] as const
type Recorded = (typeof RECORDED)[number]

/**
 * Records on the audit trail what happens by itself: alarms, nodes that come and go, what devices make of documents and
 * commands, and inputs that take over.
 */
export function auditFacts(
  facts: Pick<TenantFacts, 'subscribe'>,
  record: (draft: AuditDraft) => void,
): Subscription {
  return facts.subscribe({
    name: 'audit',
    of: 'all',
    kinds: RECORDED,
    capacity: 10_000,
    take(batch) {
      for (const fact of batch) record(draftOf(fact))
    },
  })
}

function draftOf({ tenantId, at, body }: TenantFact<Recorded>): AuditDraft {
  const who = { tenant_id: tenantId ?? HUB_TENANT_ID, at, actor: 'hub' }
  if (body.kind === 'node') {
    const outcome = body.up ? 'up' : 'down'
    return { ...who, action: `node.${outcome}`, object: `node:${body.nodeId}`, outcome, detail: {} }
  }
  if (body.kind === 'node_config') {
    const { nodeId, news: outcome, version, reason } = body
    const actor = `node:${nodeId}`
    return { ...who, actor, action: 'node.config', object: actor, outcome, detail: { version, reason } }
  }
  if (body.kind === 'node_command') {
    const { nodeId, commandId: command_id, command, streamId: stream_id, outcome, reason } = body
    const actor = `node:${nodeId}`
    const detail = { command_id, do: command, stream_id, reason }
    return { ...who, actor, action: 'node.command.end', object: actor, outcome, detail }
  }
  if (body.kind === 'switched') {
    const { from, to, cause: outcome, reason } = body.event
    const object = `stream/${body.stream.streamId}`
    return { ...who, action: 'stream.switch', object, outcome, detail: { from, to, reason } }
  }
  const { kind: outcome, subject: object, message } = body.alarm
  if (!body.cleared) return { ...who, action: 'alarm.raise', object, outcome, detail: { message } }
  const { why, afterMs } = body.cleared
  return { ...who, action: 'alarm.clear', object, outcome, detail: { why, after_ms: Math.round(afterMs) } }
}
