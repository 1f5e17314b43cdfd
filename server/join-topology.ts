import { SYSTEM_CLOCK } from '../common/clock.ts'
import { nodeEntrySchema } from '../common/wire/topology.ts'
import type { Config } from './config/config.ts'
import type { Announced, MediaAddresses } from './media-addresses/media-addresses.ts'
import type { Topology } from './topology/graph.ts'

export type HubNodeSettings = Pick<Config, 'hubId' | 'maxKbps' | 'hubOnWire'>

/** The hub's own node, up as long as the hub lives. */
export interface HubPlace extends Disposable {
  readonly draining: boolean
  /** From now on takes nothing new, or takes new flows again: decisions refuse, running flows go on. */
  drain(on: boolean): void
}

/** Puts the hub itself into the topology, shared by all tenants. */
export function joinTopology(
  topology: Topology,
  settings: HubNodeSettings,
  addresses: Pick<MediaAddresses, 'announced' | 'onChange'>,
): HubPlace {
  let draining = false
  const put = () =>
    topology.upsert(
      null,
      settings.hubId,
      hubEntry(settings, addresses.announced, draining),
      SYSTEM_CLOCK.steady(),
    )
  put()
  const unlisten = addresses.onChange(put)
  const release = topology.hold(null, settings.hubId, SYSTEM_CLOCK.steady())
  return {
    get draining() {
      return draining
    },
    drain(on) {
      draining = on
      put()
    },
    [Symbol.dispose]() {
      unlisten()
      release(SYSTEM_CLOCK.steady())
    },
  }
}

function hubEntry({ maxKbps, hubOnWire }: HubNodeSettings, { rtc, rist }: Announced, draining: boolean) {
  return nodeEntrySchema.parse({
    role: 'hub',
    transports: [
      { transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 },
      { transport: 'webrtc', aes_bits: 256 },
    ],
    serves: [{ transport: 'webrtc', aes_bits: 256 }],
    addresses: [...new Set([rist, rtc])],
    max_kbps: maxKbps === 0 ? null : maxKbps,
    ptp: hubOnWire,
    tsn: hubOnWire,
    draining,
    created_at: 0,
  })
}
