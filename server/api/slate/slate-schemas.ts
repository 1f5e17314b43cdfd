import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'

export const slateQuery = z.strictObject({ tenant_id: tenantIdSchema.optional() })

/** A tenant's picture as it is kept: an upright JPEG, of which the sizes are. */
export const slateInfoSchema = z.object({
  tenant_id: tenantIdSchema,
  version: z.number().int(),
  width: z.number().int(),
  height: z.number().int(),
  bytes: z.number().int(),
  sha256: z.string(),
  updated_at: z.number().int(),
  changed_by: z.string(),
})
