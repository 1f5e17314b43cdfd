import { nodeEntrySchema } from '../common/wire/topology.ts'
import type { Config } from './config/config.ts'
import { HUB_NODE_ID } from './flows/hub-node.ts'
import type { Topology } from './topology/graph.ts'

type Addresses = Pick<Config, 'ristIp' | 'ristAnnounced' | 'rtcIp' | 'rtcAnnounced'>

/** Puts the hub itself into the topology, shared by all tenants and up for as long as what is answered lives. */
export function joinTopology(topology: Topology, addresses: Addresses): Disposable {
  topology.upsert(null, HUB_NODE_ID, hubEntry(addresses), Date.now())
  const release = topology.hold(null, HUB_NODE_ID, Date.now())
  return { [Symbol.dispose]: () => release(Date.now()) }
}

function hubEntry({ ristIp, ristAnnounced, rtcIp, rtcAnnounced }: Addresses) {
  return nodeEntrySchema.parse({
    role: 'hub',
    transports: [
      { transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 },
      { transport: 'webrtc', aes_bits: 256 },
    ],
    serves: [{ transport: 'webrtc', aes_bits: 256 }],
    addresses: [...new Set([ristAnnounced || ristIp, rtcAnnounced || rtcIp])],
    created_at: 0,
  })
}
