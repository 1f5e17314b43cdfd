import { z } from 'zod'
import { nodeIdSchema, nodeRoleSchema, tenantIdSchema } from '../../../common/wire/ids.ts'
import { grantsSchema } from '../../auth/principal.ts'

/** An enrolment token as the API shows it, without its secret. Times are Unix milliseconds. */
export const enrolmentInfoSchema = z.object({
  enrolment_token_id: z.string(),
  /** null: for nodes that the hub shares with every tenant. */
  tenant_id: tenantIdSchema.nullable(),
  label: z.string(),
  roles: z.array(nodeRoleSchema),
  capabilities: z.array(z.string()),
  node_id: nodeIdSchema.nullable(),
  grants: grantsSchema,
  created_at: z.number().int(),
  created_by: z.string(),
  expires_at: z.number().int(),
  used_at: z.number().int().nullable(),
  used_by: nodeIdSchema.nullable(),
})
