import { z } from 'zod'
import { tenantIdSchema } from '../../common/wire/ids.ts'
import { signedReleaseKeysSchema, signedReleaseSchema } from '../../common/wire/release.ts'

/** Most tenants that a rollout names. */
const MAX_TENANTS = 1000

export const rolloutSchema = z.strictObject({
  /** null: nodes of every tenant. */
  tenants: z.array(tenantIdSchema).max(MAX_TENANTS).nullable().default(null),
  /** Share of these nodes, 0 to 100. */
  percent: z.number().min(0).max(100),
  /** true: nobody gets it any more, and nobody who has it waiting swaps to it. */
  halted: z.boolean().default(false),
})

/** How a release is stored. */
export const releaseRecordSchema = z.strictObject({
  signed: signedReleaseSchema,
  rollout: rolloutSchema,
  /** Unix ms. */
  created_at: z.number().int(),
  created_by: z.string(),
})
export type ReleaseRecord = z.infer<typeof releaseRecordSchema>

export const keysRecordSchema = z.strictObject({
  signed: signedReleaseKeysSchema,
  created_at: z.number().int(),
  created_by: z.string(),
})
export type KeysRecord = z.infer<typeof keysRecordSchema>

/** Of a new release: nobody gets it. */
export const NO_ROLLOUT = { tenants: null, percent: 0, halted: false }
