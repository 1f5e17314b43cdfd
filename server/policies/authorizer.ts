import type { Principal } from '../../common/wire/decision.ts'
import type { Action } from '../../common/wire/ids.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { askAcl } from '../../policy/acl.ts'
import type { EffectivePolicy } from '../../policy/effective.ts'
import { mayActIn } from '../../policy/tenancy.ts'
import { anonymousIn, isHubNode } from '../auth/principal.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { PolicyBook } from './policy-book.ts'

/** The answer of a tenant's ACL. */
export interface Authorization {
  readonly allow: boolean
  /** Name of the rule that decided. */
  readonly rule: string
  /** In words. */
  readonly reason: string
}

/** What somebody wants to act on, as far as it is known. */
export interface About {
  /** undefined where it is not named yet: then only who may in no tenant is refused. */
  readonly tenantId: string | undefined
  /** null for what is not about one stream; undefined where it is not named yet: see `askAcl`. */
  readonly streamId: string | null | undefined
}

/**
 * Whether somebody may do something. Nodes of the hub's own act in HUB_TENANT_ID, by the default rules.
 */
export class Authorizer {
  readonly #policies: Pick<PolicyBook, 'tenantIds'>
  readonly #policyOf: (tenantId: string) => EffectivePolicy
  /** Whether there is a tenant that opens an action to everybody, until a policy changes. */
  readonly #opened = new Map<Action, boolean>()

  /** @param policyOf the tenants' policies as they hold on this hub; as they are written by default */
  constructor(
    policies: Pick<PolicyBook, 'tenantIds' | 'onChange' | 'effective'>,
    policyOf: (tenantId: string) => EffectivePolicy = (tenantId) => policies.effective(tenantId),
  ) {
    this.#policies = policies
    this.#policyOf = policyOf
    policies.onChange(() => this.#opened.clear())
  }

  authorize(principal: Principal, action: Action, { tenantId, streamId }: About): Authorization {
    if (tenantId === undefined) return this.#anywhere(principal, action, streamId)
    const own = isHubNode(principal) ? tenantId === HUB_TENANT_ID : mayActIn(principal, tenantId)
    if (!own) return { allow: false, rule: 'tenancy', reason: 'nobody acts in a tenant of others' }
    const { acl } = this.#policyOf(tenantId)
    const { allowed, rule, reason } = askAcl(acl, { principal, action, streamId })
    return { allow: allowed, rule, reason }
  }

  /** Only two kinds of caller choose among tenants: the hub's admin, whom none keeps out, and everybody. */
  #anywhere(principal: Principal, action: Action, streamId: About['streamId']): Authorization {
    if (principal.role !== 'anonymous') {
      const { allowed, rule, reason } = askAcl(new Map(), { principal, action, streamId })
      return { allow: allowed, rule, reason }
    }
    const allow = this.#opened.get(action) ?? this.#isOpened(action)
    this.#opened.set(action, allow)
    return { allow, rule: 'no rule', reason: `no tenant opens ${action} to everybody` }
  }

  #isOpened(action: Action): boolean {
    for (const tenantId of new Set([DEFAULT_TENANT, ...this.#policies.tenantIds()]))
      if (this.authorize(anonymousIn(tenantId), action, { tenantId, streamId: undefined }).allow) return true
    return false
  }
}
