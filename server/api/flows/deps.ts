import type { EffectivePolicy } from '../../../policy/effective.ts'
import type { StreamRegistry } from '../../../sfu/stream-registry.ts'
import type { PublishDependencies } from '../../flows/publish.ts'
import type { SubscribeDependencies } from '../../flows/subscribe.ts'

/** What the routes about flows need of the hub. */
export interface FlowRouteDependencies extends PublishDependencies, SubscribeDependencies {
  readonly streams: StreamRegistry
  readonly policyOf: (tenantId: string) => EffectivePolicy
}
