import { z } from 'zod'

/** A record of the audit trail. `hash` covers all the rest, `prev_hash` included; `npm run audit:verify` checks them. */
export const auditEntrySchema = z.object({
  /** Counts over all tenants. */
  seq: z.number().int().min(1),
  /** `_hub` where it is about the hub itself. */
  tenant_id: z.string(),
  /** Unix milliseconds. */
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  object: z.string(),
  outcome: z.string(),
  detail: z.record(z.string(), z.unknown()),
  prev_hash: z.string(),
  hash: z.string(),
})
