import { z } from 'zod'
import type { Principal } from '../../common/wire/decision.ts'
import { actionSchema } from '../../common/wire/ids.ts'
import { streamPatternSchema } from '../../common/wire/policy-document.ts'
import { globCost } from '../../policy/glob.ts'

/** The limits of a token, on top of the tenant's ACL. */
export const grantsSchema = z.strictObject({
  streams: z.array(streamPatternSchema).max(100),
  actions: z.array(z.union([actionSchema, z.literal('*')])).max(100),
})
export type Grants = z.infer<typeof grantsSchema>

/** See `globCost`: each question to the ACL checks the grants first. */
const MAX_GRANTS_COST = 1000

/** Grants of new tokens. */
export const newGrantsSchema = grantsSchema.refine(
  ({ streams }) => streams.reduce((sum, pattern) => sum + globCost(pattern), 0) <= MAX_GRANTS_COST,
  { path: ['streams'], message: 'too many parts between two `*`: each question would take too long' },
)

/** No limits: the ACL alone decides. */
export const ALL_GRANTS: Grants = { streams: ['*'], actions: ['*'] }

/** How a caller proved their identity. */
export type Credential = 'jwt' | 'api-key' | 'certificate' | 'none'

/**
 * The caller of a request, as policy needs it, with facts about the proof. An admin's `tenant_id` is null and reaches
 * every tenant. The `tenant_id` of a caller without a proof is null too and reaches none (see `anonymousIn`).
 */
export interface AuthenticatedPrincipal extends Principal {
  readonly credential: Credential
  /** The JWT's `jti`, the API key's id, or the certificate's serial number; null without a proof. */
  readonly token_id: string | null
  /** When the proof ends, Unix milliseconds; null for a proof without an end. */
  readonly expires_at: number | null
}

/** A caller without a proof: somebody unknown, or the hub by itself. */
export const UNPROVEN = {
  node_id: null,
  grants: ALL_GRANTS,
  credential: 'none',
  token_id: null,
  expires_at: null,
} as const

export const ANONYMOUS: AuthenticatedPrincipal = {
  id: 'anonymous',
  role: 'anonymous',
  tenant_id: null,
  ...UNPROVEN,
}

/** A caller without a proof who asks for something of this tenant: its ACL decides what is open to everybody. */
export function anonymousIn(tenantId: string): AuthenticatedPrincipal {
  return { ...ANONYMOUS, tenant_id: tenantId }
}

/** A node that the hub shares with every tenant: it acts for the hub, in no tenant. */
export function isHubNode(principal: Pick<Principal, 'role' | 'tenant_id' | 'node_id'>): boolean {
  return principal.role === 'node' && principal.tenant_id === null && principal.node_id !== null
}

/** The name of a caller in the audit trail: `user:alice`, `node:n1`, `anonymous`. */
export function actorOf(principal: Pick<Principal, 'id' | 'role' | 'node_id'>): string {
  if (principal.role === 'anonymous') return 'anonymous'
  return principal.node_id === null ? `user:${principal.id}` : `node:${principal.node_id}`
}

/** Who does something: a caller, or the hub by itself. */
export type Actor = AuthenticatedPrincipal | 'hub'

export function actorName(actor: Actor): string {
  return actor === 'hub' ? 'hub' : actorOf(actor)
}

/** The key for rate limits; null for a caller without a proof, who is counted by address alone. */
export function limitKeyOf(principal: AuthenticatedPrincipal): string | null {
  return principal.token_id === null ? null : `${principal.credential}:${principal.token_id}`
}
