import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { tokenRecordSchema } from '../../auth/token-record.ts'

/** How a token is told of: neither itself nor its hash. */
export const tokenInfoSchema = z.object({
  token_id: z.string(),
  /** null: the hub's own. */
  tenant_id: tenantIdSchema.nullable(),
  ...tokenRecordSchema.omit({ secret_hash: true }).shape,
})

/** An id as the hub makes them. */
export const tokenIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'a token id is 1 to 64 letters, digits, dashes or underscores')
