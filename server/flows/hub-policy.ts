import { ACTIONS } from '../../common/wire/ids.ts'
import type { AclRule } from '../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { type CompiledAcl, compileAcl } from '../../policy/acl.ts'
import type { TenantCeilings } from '../../policy/capacity.ts'
import type { EffectivePolicy } from '../../policy/effective.ts'

/** What the hub's configuration says about policies. */
export interface HubRules {
  /** A rule of the default tenant beside its own rules. */
  readonly rule: AclRule | null
  /** Most that each tenant may have, whatever its policy allows. */
  readonly ceilings: TenantCeilings
}

/** The tenants' policies as they hold on this hub, made once for each version of policy and rules. */
export class HubPolicies {
  readonly #effective: (tenantId: string) => EffectivePolicy
  #made = new WeakMap<EffectivePolicy, EffectivePolicy>()
  #ceilings: TenantCeilings
  #added: CompiledAcl | null

  constructor(effective: (tenantId: string) => EffectivePolicy, rules: HubRules) {
    this.#effective = effective
    this.#ceilings = rules.ceilings
    this.#added = compiled(rules)
  }

  /** Puts other rules in force for new requests and renewals. Running flows stay. */
  change(rules: HubRules): void {
    this.#ceilings = rules.ceilings
    this.#added = compiled(rules)
    this.#made = new WeakMap()
  }

  of(tenantId: string): EffectivePolicy {
    const policy = this.#effective(tenantId)
    const known = this.#made.get(policy)
    if (known) return known
    const { acl } = policy
    const here = {
      ...policy,
      acl: this.#added && tenantId === DEFAULT_TENANT ? joined(acl, this.#added) : acl,
      ceilings: lower(policy.ceilings, this.#ceilings),
    }
    this.#made.set(policy, here)
    return here
  }
}

function compiled({ rule }: HubRules): CompiledAcl | null {
  return rule && compileAcl([rule], ACTIONS)
}

function lower(one: TenantCeilings, other: TenantCeilings): TenantCeilings {
  const least = (name: keyof TenantCeilings): number | null => {
    const [a, b] = [one[name], other[name]]
    return a === null ? b : b === null ? a : Math.min(a, b)
  }
  return {
    maxStreams: least('maxStreams'),
    maxStreamsPerToken: least('maxStreamsPerToken'),
    maxViewers: least('maxViewers'),
    maxViewersPerStream: least('maxViewersPerStream'),
    maxViewersPerAddress: least('maxViewersPerAddress'),
    uplinkKbps: least('uplinkKbps'),
  }
}

function joined(one: CompiledAcl, other: CompiledAcl): CompiledAcl {
  return new Map(
    ACTIONS.map((action) => [
      action,
      {
        deny: [...(one.get(action)?.deny ?? []), ...(other.get(action)?.deny ?? [])],
        allow: [...(one.get(action)?.allow ?? []), ...(other.get(action)?.allow ?? [])],
      },
    ]),
  )
}
