import { z } from 'zod'
import { nodeIdSchema, principalIdSchema, principalRoleSchema } from '../../common/wire/ids.ts'
import type { Typed } from '../store/collection.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import { type AuthenticatedPrincipal, grantsSchema } from './principal.ts'

export const tokenRoleSchema = principalRoleSchema.exclude(['anonymous'])
export type TokenRole = z.infer<typeof tokenRoleSchema>

/** The store's record of a token; its id is the JWT's `jti` or the API key's id. Times are Unix milliseconds. */
export const tokenRecordSchema = z.strictObject({
  type: z.enum(['jwt', 'api-key']),
  /** The token's name for people. */
  label: z.string().max(100),
  subject: principalIdSchema,
  role: tokenRoleSchema,
  /** The holder's node in the directory, if the holder is a node. */
  node_id: nodeIdSchema.nullable(),
  grants: grantsSchema,
  issued_at: z.number().int(),
  issued_by: z.string(),
  expires_at: z.number().int().nullable(),
  /** For an API key; see hashSecret. */
  secret_hash: z.string().nullable(),
  /** For an API key, to the minute. */
  last_used_at: z.number().int().nullable(),
  revoked_at: z.number().int().nullable(),
  revoked_by: z.string().nullable(),
})
export type TokenRecord = z.infer<typeof tokenRecordSchema>

/** A token as administrators of tokens may see it: without its secret and without the secret's hash. */
export type TokenInfo = Omit<TokenRecord, 'secret_hash'> & {
  readonly token_id: string
  /** null: a token of the hub itself. */
  readonly tenant_id: string | null
}

export function tokenInfo({ tenant_id, id, value }: Typed<TokenRecord>): TokenInfo {
  const { secret_hash, ...rest } = value
  return { token_id: id, tenant_id: tenantOf(tenant_id), ...rest }
}

export function principalOf({ tenant_id, id, value }: Typed<TokenRecord>): AuthenticatedPrincipal {
  return {
    id: value.subject,
    role: value.role,
    tenant_id: tenantOf(tenant_id),
    node_id: value.node_id,
    grants: value.grants,
    credential: value.type,
    token_id: id,
    expires_at: value.expires_at,
  }
}

/** The store's tenant id for things of a tenant, or of the hub (null). */
export function ownerOf(tenantId: string | null): string {
  return tenantId ?? HUB_TENANT_ID
}

export function tenantOf(owner: string): string | null {
  return owner === HUB_TENANT_ID ? null : owner
}
