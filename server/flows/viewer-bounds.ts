import { chooseAbr } from '../../policy/abr-bounds.ts'
import type { EffectivePolicy } from '../../policy/effective.ts'
import type { ViewerFlows } from './viewer-flows.ts'

/** After a change of a tenant's policy, holds running viewers to the new bitrates of their class. */
export function boundByPolicy(viewers: Pick<ViewerFlows, 'list' | 'bound'>, policy: EffectivePolicy): void {
  for (const { contractId, tenantId, streamClass, wantedKbps } of viewers.list()) {
    if (tenantId !== policy.tenantId) continue
    const { profile } = policy.classes[streamClass]
    const rate = chooseAbr(profile, { capacityKbps: null, wantedKbps, cautious: false })
    if (rate.fits) viewers.bound(contractId, rate.abr, ['the policy changed', rate.reason])
  }
}
