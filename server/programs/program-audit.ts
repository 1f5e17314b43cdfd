import type { AuditDraft } from '../audit/audit-record.ts'
import type { Asker } from './asker.ts'

/** What somebody did with a program, or was refused, at a time in Unix ms. */
export function programAudit(
  { tenantId, id }: { readonly tenantId: string; readonly id: string },
  at: number,
  { actor, requestId }: Pick<Asker, 'actor' | 'requestId'>,
  action: string,
  outcome: string,
  detail: object,
): AuditDraft {
  return {
    tenant_id: tenantId,
    at,
    actor,
    action,
    object: `program/${id}`,
    outcome,
    detail: { ...detail, request_id: requestId },
  }
}
