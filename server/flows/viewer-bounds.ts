import { chooseAbr } from '../../policy/abr-bounds.ts'
import type { EffectivePolicy } from '../../policy/effective.ts'
import type { ViewerFlows } from './viewer-flows.ts'

/** A tenant's policy changed: viewers that watch now are held to the bitrates of their class as it has them now. */
export function boundByPolicy(viewers: Pick<ViewerFlows, 'list' | 'bound'>, policy: EffectivePolicy): void {
  for (const { contractId, tenantId, streamClass, wantedKbps } of viewers.list()) {
    if (tenantId !== policy.tenantId) continue
    const { profile } = policy.classes[streamClass]
    const rate = chooseAbr(profile, { capacityKbps: null, wantedKbps, cautious: false })
    if (rate.fits) viewers.bound(contractId, rate.abr, ['the policy changed', rate.reason])
  }
}
