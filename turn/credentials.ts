import { createHmac } from 'node:crypto'
import { ID_PATTERN } from '../common/wire/ids.ts'

/** Longest life of a credential that the hub hands out, s: as long as of the contract that it comes with. */
export const MAX_CREDENTIAL_S = 300

/** Of 64 letters each: nobody finds two holders of one tag by chance. */
const TAG_LENGTH = 12
/** RFC 8489, section 14.3: a user name has fewer than 509 bytes. Ours have far fewer. */
const MAX_USERNAME = 256

export interface TurnUser {
  /** s since 1970. */
  readonly expiresAtS: number
  readonly tenantId: string
  readonly contractId: string
  /** Whose contract it is, as {@link subjectTag} has it. */
  readonly subject: string
}

/** `<expires>:<tenant>/<contract>/<subject>`: the form that coturn's `use-auth-secret` reads, time first. */
export function turnUsername({ expiresAtS, tenantId, contractId, subject }: TurnUser): string {
  return `${Math.floor(expiresAtS)}:${tenantId}/${contractId}/${subject}`
}

/**
 * Stands for the holder of a contract in user names. The same holder has the same tag at one relay in all contracts of a
 * tenant. Who reads a relay's log can't tell the holder from it.
 */
export function subjectTag(secret: string, tenantId: string, holder: string): string {
  return createHmac('sha256', secret).update(`${tenantId}/${holder}`).digest('base64url').slice(0, TAG_LENGTH)
}

/** The password of a user name, as draft-uberti-behave-turn-rest-00, section 2.2 has it. */
export function turnCredential(secret: string, username: string): string {
  return createHmac('sha1', secret).update(username).digest('base64')
}

/** null for anything that {@link turnUsername} does not write. */
export function parseTurnUsername(username: string): TurnUser | null {
  if (username.length > MAX_USERNAME) return null
  const [, expires = '', tenantId = '', contractId = '', subject = ''] =
    /^(\d{1,12}):([^/]+)\/([^/]+)\/([\w-]{12})$/.exec(username) ?? []
  if (!ID_PATTERN.test(tenantId) || !ID_PATTERN.test(contractId)) return null
  return { expiresAtS: Number(expires), tenantId, contractId, subject }
}
