import { createHmac } from 'node:crypto'
import { ID_PATTERN } from '../common/wire/ids.ts'

/** Longest life of a credential that the hub hands out, s: as long as of the contract that it comes with. */
export const MAX_CREDENTIAL_S = 300

/** RFC 8489, section 14.3: a user name has fewer than 509 bytes. Ours have far fewer. */
const MAX_USERNAME = 256

export interface TurnUser {
  /** s since 1970. */
  readonly expiresAtS: number
  readonly tenantId: string
  readonly contractId: string
}

/** `<expires>:<tenant>/<contract>`: the form that coturn's `use-auth-secret` reads, time first. */
export function turnUsername(tenantId: string, contractId: string, expiresAtS: number): string {
  return `${Math.floor(expiresAtS)}:${tenantId}/${contractId}`
}

/** The password of a user name, as draft-uberti-behave-turn-rest-00, section 2.2 has it. */
export function turnCredential(secret: string, username: string): string {
  return createHmac('sha1', secret).update(username).digest('base64')
}

/** null for anything that {@link turnUsername} does not write. */
export function parseTurnUsername(username: string): TurnUser | null {
  if (username.length > MAX_USERNAME) return null
  const [, expires = '', tenantId = '', contractId = ''] =
    /^(\d{1,12}):([^/]+)\/([^/]+)$/.exec(username) ?? []
  if (!ID_PATTERN.test(tenantId) || !ID_PATTERN.test(contractId)) return null
  return { expiresAtS: Number(expires), tenantId, contractId }
}
