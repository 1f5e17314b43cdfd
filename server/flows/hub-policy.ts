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

/** The tenants' policies as they hold on this hub, made once for each version. */
export function hubPolicies(
  effective: (tenantId: string) => EffectivePolicy,
  { rule, ceilings }: HubRules,
): (tenantId: string) => EffectivePolicy {
  const added = rule && compileAcl([rule], ACTIONS)
  const made = new WeakMap<EffectivePolicy, EffectivePolicy>()
  return (tenantId) => {
    const policy = effective(tenantId)
    const known = made.get(policy)
    if (known) return known
    const acl = added && tenantId === DEFAULT_TENANT ? joined(policy.acl, added) : policy.acl
    const here = { ...policy, acl, ceilings: lower(policy.ceilings, ceilings) }
    made.set(policy, here)
    return here
  }
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
