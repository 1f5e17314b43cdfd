import { CodedError } from '../../common/errors.ts'
import { CLASS_PROFILES } from '../../policy/classes.ts'
import type { StreamRegistry } from '../../sfu/stream-registry.ts'
import type { LivePublisherFlow } from './publisher-flow.ts'
import type { PublisherMedia } from './publisher-flows.ts'
import type { StandingSubscriptions } from './standing-subscriptions.ts'
import type { SwitchedLanes } from './switched-lanes.ts'
import type { ViewerFlows } from './viewer-flows.ts'

export interface HubMediaOptions {
  readonly streams: StreamRegistry
  readonly viewers: ViewerFlows
  readonly subscriptions: Pick<StandingSubscriptions, 'streamOpened' | 'streamClosed'>
  readonly lanes: Pick<SwitchedLanes, 'add' | 'remove'>
  /** Address that RIST ports listen on. */
  readonly ristIp: string
  readonly onError: (error: unknown) => void
}

/** A contract's media on this hub: its stream listens exactly as long as the contract runs. */
export function hubMedia(options: HubMediaOptions): PublisherMedia {
  const { streams, viewers, subscriptions, lanes, ristIp, onError } = options
  return {
    open(flow: LivePublisherFlow) {
      const { tenant_id: tenantId, stream_id: streamId, class: streamClass, transport } = flow.contract
      if (transport === 'webrtc') streams.open({ tenantId, streamId, streamClass })
      else streams.openField({ tenantId, streamId, streamClass, ...ristOf(flow, ristIp) })
      try {
        lanes.add(flow)
      } catch (error) {
        void streams.close(tenantId, streamId).catch(onError)
        throw error
      }
      viewers.prioritize(tenantId, streamId, flow.priority)
      subscriptions.streamOpened(tenantId, streamId)
    },
    changed: (flow) => lanes.add(flow),
    async close(flow: LivePublisherFlow, reason) {
      const { contract } = flow
      // Before the input's own stream: what is on air moves on, as if the input had stopped.
      const left = lanes.remove(flow, reason)
      // Viewers first see the stream's last state (`ended`), then their contracts end.
      const closed = streams.close(contract.tenant_id, contract.stream_id)
      viewers.endAll(contract.tenant_id, contract.stream_id, reason)
      subscriptions.streamClosed(contract.tenant_id, contract.stream_id)
      await Promise.all([left.catch(onError), closed.catch(onError)])
    },
  }
}

/** Where and how the ingress of a field sender listens. */
function ristOf({ contract, keys }: LivePublisherFlow, address: string) {
  if (keys === null)
    throw new CodedError('keys_missing', `the contract of ${contract.stream_id} has no keys for RIST`)
  const profile = CLASS_PROFILES[contract.class].ristBuffer
  const buffer = contract.buffer ?? {
    start_ms: profile.minMs,
    min_ms: profile.minMs,
    max_ms: profile.maxMs,
    rtt_multiple: profile.rttMultiple,
  }
  // An unmeasured path is taken to be short: the buffer is fitted to the real path later.
  const measured = contract.latency.stages.some(
    ({ stage, source }) => stage === 'one_way' && source !== 'default',
  )
  return {
    links: contract.endpoints.map(({ port }) => port),
    input: {
      address,
      passphrase: keys.passphrase,
      aes_bits: keys.aes_bits,
      authentication: keys.username === undefined ? ('passphrase' as const) : ('srp' as const),
      username: keys.username ?? '',
      password: keys.password ?? '',
      buffer: { ...buffer, start_ms: measured ? buffer.start_ms : buffer.min_ms },
    },
  }
}
