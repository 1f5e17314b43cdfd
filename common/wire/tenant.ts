import { z } from 'zod'
import { tenantIdSchema } from './ids.ts'

/** What a caller may set of a tenant. */
export const tenantBodySchema = z.strictObject({
  /** The name for people. */
  display_name: z.string().min(1).max(100),
})
export type TenantBody = z.infer<typeof tenantBodySchema>

/** What the store keeps of a tenant, beside its id. */
export const tenantRecordSchema = z.strictObject({
  ...tenantBodySchema.shape,
  /** Unix milliseconds. */
  created_at: z.number().int(),
})
export type TenantRecord = z.infer<typeof tenantRecordSchema>

export const tenantSchema = z.object({
  tenant_id: tenantIdSchema,
  version: z.number().int(),
  ...tenantRecordSchema.shape,
})
export type Tenant = z.infer<typeof tenantSchema>
