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

/** What a caller wants to act on, as far as it is known. */
export interface About {
  /** undefined while not named: then only callers who may do this in no tenant are refused. */
  readonly tenantId: string | undefined
  /** null: the action is not about one stream. undefined: the stream is not named yet; see `askAcl`. */
  readonly streamId: string | null | undefined
}

/** Whether a caller may do something. The hub's own nodes act in HUB_TENANT_ID, by the default rules. */
export class Authorizer {
  readonly #policies: Pick<PolicyBook, 'tenantIds'>
  readonly #policyOf: (tenantId: string) => EffectivePolicy
  /** Whether any tenant opens an action to everybody, kept until a policy changes. */
  readonly #opened = new Map<Action, boolean>()

  /** @param policyOf the tenants' policies on this hub; by default as they are written */
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
    if (!own) return { allow: false, rule: 'tenancy', reason: 'nobody acts in another tenant' }
    const { acl } = this.#policyOf(tenantId)
    const { allowed, rule, reason } = askAcl(acl, { principal, action, streamId })
    return { allow: allowed, rule, reason }
  }

  /** Only two kinds of caller can name a tenant: the hub's admin, whom no tenant keeps out, and everybody. */
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
