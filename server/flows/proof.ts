import { z } from 'zod'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'

/** The token or certificate with which a contract was asked for. When the proof is revoked, the contract ends. */
export const proofSchema = z.object({
  credential: z.enum(['jwt', 'api-key', 'certificate']),
  /** The JWT's `jti`, the API key's id, or the certificate's serial number. */
  token_id: z.string(),
})
export type Proof = z.infer<typeof proofSchema>

/** null for a caller without a proof: everybody, and the hub itself. */
export function proofOf({
  credential,
  token_id,
}: Pick<AuthenticatedPrincipal, 'credential' | 'token_id'>): Proof | null {
  return credential === 'none' || token_id === null ? null : { credential, token_id }
}
