import { CodedError } from '../../common/errors.ts'
import type { Principal } from '../../common/wire/decision.ts'
import type { PrincipalRole } from '../../common/wire/ids.ts'
import { matchesAll, patternCovers } from '../../policy/glob.ts'
import type { Grants } from './principal.ts'

/** Rights that somebody wants to give to a new token. */
export interface Delegated {
  readonly tenant_id: string | null
  readonly role: PrincipalRole
  readonly grants: Grants
}

/** A role may give away itself and the roles after it. */
const ORDER: readonly PrincipalRole[] = ['admin', 'operator', 'director', 'publisher', 'node', 'viewer']

/**
 * Nobody gives away more than they have: no other tenant, no higher role, no wider grants. The ACL decides whether they
 * may give away anything at all (`token.write`).
 * @throws CodedError `delegation_refused` (403)
 */
export function refuseEscalation(giver: Principal, wanted: Delegated): void {
  if ((wanted.role === 'admin') !== (wanted.tenant_id === null))
    throw denied('an admin belongs to no tenant, and everybody else to one')
  if (giver.tenant_id !== null && giver.tenant_id !== wanted.tenant_id)
    throw denied('callers give out tokens only in their own tenant')
  const [from, to] = [ORDER.indexOf(giver.role), ORDER.indexOf(wanted.role)]
  if (from === -1 || to === -1 || to < from)
    throw denied(`the role ${giver.role} can't give away the role ${wanted.role}`)
  const own = giver.grants.streams
  const beyond = [
    ...wanted.grants.actions.filter((action) => !includes(giver.grants.actions, action)),
    ...(own.some(matchesAll)
      ? []
      : wanted.grants.streams.filter((stream) => !own.some((each) => patternCovers(each, stream)))),
  ]
  if (beyond.length > 0) throw denied(`the caller's own token does not allow ${beyond.join(', ')}`)
}

function includes(own: Grants['actions'], action: Grants['actions'][number]): boolean {
  return own.includes('*') || own.includes(action)
}

function denied(why: string): CodedError {
  return new CodedError('delegation_refused', why)
}
