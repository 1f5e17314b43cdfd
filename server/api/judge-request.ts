import { CodedError } from '../../common/errors.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { mayActIn } from '../../policy/tenancy.ts'
import { ANONYMOUS, type AuthenticatedPrincipal, anonymousIn, isHubNode } from '../auth/principal.ts'
import type { About } from '../policies/authorizer.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { ApiParts } from './api-parts.ts'
import { notFound } from './refusals.ts'
import type { Asking, Outcome, PreparedHead, Route, Scope } from './route.ts'

/**
 * Refuses callers who may not do this whatever the body says, before a byte of the body is read. Names that only the
 * body has are asked about later.
 */
export function refuseBeforeBody(
  route: Route,
  parts: ApiParts,
  principal: AuthenticatedPrincipal,
  head: Outcome<PreparedHead>,
): void {
  const scope = 'ok' in head ? head.ok.scope : {}
  const { asking, tenantId, tenantFilter } = whoActs(principal, scope)
  const open = 'wrong' in head ? [...route.headNames, ...route.bodyNames] : route.bodyNames
  const choosesTenant =
    principal.tenant_id === null && scope.tenantId === undefined && open.includes('tenant_id')
  const choosesStream =
    scope.streamId === undefined && scope.streamOf === undefined && open.includes('stream_id')
  for (const streamId of choosesStream ? [undefined] : streamsOf(route, scope, tenantFilter))
    refuseUnlessAllowed(route, parts, asking, {
      tenantId: choosesTenant && !isHubNode(principal) ? undefined : tenantId,
      streamId,
    })
  if ('wrong' in head) return
  const ask: Asking['ask'] = (action, stream) =>
    parts.authorize(asking, action, { tenantId, streamId: stream })
  head.ok.admit?.({ principal: asking, tenantId, ask })
}

/** Who acts, and in which tenant. @throws CodedError 404 for a tenant in which the caller may not act */
export function whoActs(principal: AuthenticatedPrincipal, scope: Scope) {
  const acts = tenantOf(principal, scope)
  return { asking: principal === ANONYMOUS ? anonymousIn(acts.tenantId) : principal, ...acts }
}

/** Asks the ACL about everything that a request names. @throws CodedError 401, 403, 404 */
export function refuseByAcl(
  route: Route,
  parts: ApiParts,
  { asking, tenantId, tenantFilter }: ReturnType<typeof whoActs>,
  scope: Scope,
): void {
  for (const streamId of streamsOf(route, scope, tenantFilter))
    refuseUnlessAllowed(route, parts, asking, { tenantId, streamId })
}

/** The streams that a request is about. The ACL is asked about each. */
function streamsOf(
  { lists = false }: Route,
  { streamId, streamOf, streamIds }: Scope,
  tenantFilter: string | null,
): readonly About['streamId'][] {
  if (lists) return [undefined]
  return streamIds ?? [streamId ?? streamOf?.(tenantFilter) ?? null]
}

/** The tenant of a request. Another tenant and one that does not exist are refused alike, before any lookup. */
function tenantOf(
  principal: AuthenticatedPrincipal,
  { tenantId: named }: Scope,
): { tenantId: string; tenantFilter: string | null } {
  if (principal.role === 'anonymous') {
    const tenantId = named ?? DEFAULT_TENANT
    return { tenantId, tenantFilter: tenantId }
  }
  if (isHubNode(principal)) {
    if (named !== undefined) throw notFound('tenant')
    return { tenantId: HUB_TENANT_ID, tenantFilter: HUB_TENANT_ID }
  }
  const tenantId = named ?? principal.tenant_id ?? DEFAULT_TENANT
  if (!mayActIn(principal, tenantId)) throw notFound('tenant')
  return { tenantId, tenantFilter: named ?? principal.tenant_id }
}

function refuseUnlessAllowed(
  { action }: Route,
  parts: ApiParts,
  principal: AuthenticatedPrincipal,
  about: About,
): void {
  if (action === null) return
  const { tenantId } = about
  if (tenantId !== undefined && tenantId !== HUB_TENANT_ID && !parts.tenantExists(tenantId))
    throw principal.role === 'anonymous' ? unauthenticated() : notFound('tenant')
  const { allow, rule, reason } = parts.authorize(principal, action, about)
  if (!allow) throw refusal(principal, rule, reason)
}

/** 401 for a caller without a proof, 403 for everybody else. */
export function refusal(principal: AuthenticatedPrincipal, rule: string, reason: string): CodedError {
  if (principal.role === 'anonymous') return unauthenticated()
  return new CodedError('denied', reason, { rule, details: [`rule: ${rule}`] })
}

export function unauthenticated(): CodedError {
  return new CodedError('unauthenticated', 'the request needs a bearer token', {
    details: ['header Authorization: must be `Bearer` and a token of this hub'],
  })
}
