import { z } from 'zod'
import { tenantIdSchema } from '../../../common/wire/ids.ts'
import { tokenRecordSchema } from '../../auth/token-record.ts'

/** A token as the API shows it: neither the token nor its hash. */
export const tokenInfoSchema = z.object({
  token_id: z.string(),
  /** null: a token of the hub itself. */
  tenant_id: tenantIdSchema.nullable(),
  ...tokenRecordSchema.omit({ secret_hash: true }).shape,
})

/** The form of ids that the hub makes. */
export const tokenIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'a token id is 1 to 64 letters, digits, dashes or underscores')
