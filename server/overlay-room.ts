import type { Logger } from '../common/logger.ts'
import { nodeEntrySchema } from '../common/wire/topology.ts'
import type { Config } from './config/config.ts'
import { HUB_NODE_ID } from './flows/hub-node.ts'
import type { Store } from './store/store.ts'
import { Topology } from './topology/graph.ts'
import { NodeDirectory } from './topology/node-directory.ts'
import { StateKeeper } from './topology/state-keeper.ts'

/** How often silent nodes are looked for, ms. */
const SWEEP_EVERY_MS = 1000

export interface OverlayRoomOptions {
  readonly config: Pick<Config, 'ristIp' | 'ristAnnounced' | 'rtcIp' | 'rtcAnnounced'>
  readonly store: Store
  readonly refreshMs: number | undefined
  readonly logger: Logger
}

/** The overlay as the hub knows it: who is there and how they are connected. */
export interface OverlayRoom extends AsyncDisposable {
  readonly topology: Topology
  readonly directory: NodeDirectory
}

/** Opens the directory and the live topology, with the hub itself as the first node, shared by all tenants. */
export async function openOverlayRoom(options: OverlayRoomOptions): Promise<OverlayRoom> {
  const { config, store, refreshMs, logger } = options
  await using stack = new AsyncDisposableStack()
  const topology = new Topology()
  topology.upsert(null, HUB_NODE_ID, hubEntry(config), Date.now())
  const release = topology.hold(null, HUB_NODE_ID, Date.now())
  stack.defer(() => release(Date.now()))
  const directory = stack.use(await NodeDirectory.open({ store, topology, refreshMs, now: Date.now, logger }))
  stack.use(await StateKeeper.open({ store, topology, now: Date.now, logger }))
  const sweep = setInterval(() => topology.sweep(Date.now()), SWEEP_EVERY_MS)
  stack.defer(() => clearInterval(sweep))
  const owned = stack.move()
  return { topology, directory, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function hubEntry({ ristIp, ristAnnounced, rtcIp, rtcAnnounced }: OverlayRoomOptions['config']) {
  return nodeEntrySchema.parse({
    role: 'hub',
    transports: [{ transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 }],
    serves: [{ transport: 'webrtc', aes_bits: 256 }],
    addresses: [...new Set([ristAnnounced || ristIp, rtcAnnounced || rtcIp])],
    created_at: 0,
  })
}
