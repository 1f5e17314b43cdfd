import { z } from 'zod'

/**
 * A record of the audit trail. `hash` covers all else, `prev_hash` included. `npm run audit:verify` checks the hashes.
 */
export const auditEntrySchema = z.object({
  /** Counts over all tenants. */
  seq: z.number().int().min(1),
  /** `_hub` for records about the hub itself. */
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
