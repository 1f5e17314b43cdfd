import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { ProgramNews, TenantFacts } from '../facts/fact.ts'
import type { Subscription } from '../facts/fact-bus.ts'
import type { QosTriggers } from '../topology/qos-triggers.ts'
import type { PublisherFlows } from './publisher-flows.ts'

/** Knows which streams are inputs of switched streams; left out where there are none. */
export interface KnownInputs {
  readonly isInput?: (tenantId: string, streamId: string) => boolean
}

/** The codec that a contract asks for: an input of a switched stream is H.264, so that it can follow another input. */
export function askedCodec(
  { isInput }: KnownInputs,
  { tenant_id, stream_id, input }: Pick<FlowContract, 'tenant_id' | 'stream_id' | 'input'>,
): FlowContract['video_codec'] {
  return input || isInput?.(tenant_id, stream_id) ? 'h264' : undefined
}

/** What leaves the inputs of a program as they are, and happens ten times a second. */
const CUTS: ReadonlySet<ProgramNews> = new Set<ProgramNews>(['taken', 'locked', 'unlocked'])

/** Asks publishers over WebRTC for another codec as soon as a program takes their streams. */
export function askAgainForCodecs(
  facts: Pick<TenantFacts, 'subscribe'>,
  publishers: Pick<PublisherFlows, 'list'>,
  inputs: KnownInputs,
  triggers: Pick<QosTriggers, 'request'>,
): Subscription {
  return facts.subscribe({
    name: 'codecs',
    of: 'all',
    kinds: ['program'],
    capacity: 1000,
    take(batch) {
      const changed = batch.filter(({ body }) => !CUTS.has(body.news))
      const tenants = new Set(changed.map(({ tenantId }) => tenantId))
      for (const { contract } of publishers.list())
        if (
          tenants.has(contract.tenant_id) &&
          contract.transport === 'webrtc' &&
          askedCodec(inputs, contract) !== contract.video_codec
        )
          triggers.request(contract.contract_id, 'policy_changed')
    },
  })
}
