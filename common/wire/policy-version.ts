import { z } from 'zod'
import { tenantIdSchema } from './ids.ts'
import { policyDocumentSchema } from './policy-document.ts'

/** One version of a tenant's policy, as the store keeps it. */
export const policyVersionRecordSchema = z.strictObject({
  document: policyDocumentSchema,
  /** Unix milliseconds. */
  made_at: z.number().int(),
  /** `user:alice`. */
  made_by: z.string(),
  /** After a rollback: the version that the rollback brought back. */
  restored: z.number().int().nullable(),
})
export type PolicyVersionRecord = z.infer<typeof policyVersionRecordSchema>

/** A version without its document, for lists. Version 0 is the policy of a tenant that never had one: the defaults. */
export const policyVersionInfoSchema = z.object({
  tenant_id: tenantIdSchema,
  version: z.number().int().min(0),
  made_at: z.number().int().nullable(),
  made_by: z.string().nullable(),
  restored: z.number().int().nullable(),
})
export type PolicyVersionInfo = z.infer<typeof policyVersionInfoSchema>

export const policyVersionSchema = z.object({
  ...policyVersionInfoSchema.shape,
  document: policyDocumentSchema,
})
export type PolicyVersion = z.infer<typeof policyVersionSchema>
