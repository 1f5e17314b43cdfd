import { SYSTEM_CLOCK } from '../common/clock.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { NodeDoor } from '../signaling/node/node-door.ts'
import type { FieldSenders } from './api/nodes/field-senders.ts'
import type { Authenticator } from './auth/authenticate.ts'
import type { Doors } from './doors.ts'
import type { TenantFacts } from './facts/fact.ts'
import type { Metrics } from './metrics.ts'
import { CommandQueue } from './nodes/command-queue.ts'
import { Devices } from './nodes/devices.ts'
import { NodeConfigs } from './nodes/node-configs.ts'
import { NodeNews } from './nodes/node-news.ts'
import { NodePorts } from './nodes/node-ports.ts'
import { ReportedUplinks } from './nodes/reported-uplinks.ts'
import type { ReleaseBook } from './releases/release-book.ts'
import type { State } from './state.ts'
import type { TopologyParts } from './topology/open-topology.ts'

export interface NodeRoomOptions {
  readonly state: Pick<State, 'store' | 'sealer'>
  readonly authenticator: Authenticator
  readonly overlay: Pick<TopologyParts, 'topology' | 'directory' | 'alarms'>
  /** The hub's own node. */
  readonly hubId: string
  readonly doors: Pick<Doors, 'add'>
  readonly facts: Pick<TenantFacts, 'tell'>
  readonly metrics: Metrics
  readonly releases: Pick<ReleaseBook, 'onChange'>
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
  /** With several hubs on one database: how often to look for what the other hubs wrote, ms. */
  readonly refreshMs: number | undefined
  readonly maxConnections: number
}

/** Field senders that are connected, what they are to do, and their commands. */
export interface NodeRoom extends Disposable, FieldSenders {}

export function openNodes(options: NodeRoomOptions): NodeRoom {
  const { state, authenticator, overlay, hubId, doors, facts, metrics } = options
  const { releases, events, refreshMs, maxConnections } = options
  const { topology, directory, alarms } = overlay
  const stack = new DisposableStack()
  const { steady } = SYSTEM_CLOCK
  const stored = { store: state.store, sealer: state.sealer, now: Date.now }
  const configs = new NodeConfigs(stored)
  const commands = new CommandQueue(stored)
  const ports = stack.use(new NodePorts(topology, SYSTEM_CLOCK.steady))
  const onError = (error: unknown) => events.error('nodes', 'delivery', error)
  const uplinks = stack.use(new ReportedUplinks({ directory, hubId, steady, onError }))
  const news = new NodeNews({ facts, alarms, steady })
  const devices = stack.use(
    new Devices({
      configs,
      commands,
      authenticator,
      topology,
      now: Date.now,
      steady,
      refreshMs,
      news,
      reported: (node, sections) => {
        ports.reported(node, sections)
        news.reported(node, sections)
        return uplinks.reported(node, sections)
      },
      onError,
    }),
  )
  stack.defer(
    topology.listen({
      nodeGone: (record) => {
        uplinks.forget(record)
        news.forget(record)
      },
    }),
  )
  stack.defer(releases.onChange(() => devices.releasesChanged()))
  stack.defer(metrics.gauge('lanecast_nodes_connected', () => [{ labels: {}, value: devices.connected }]))
  doors.add(new NodeDoor({ admission: devices, maxConnections, events }))
  return { configs, commands, devices, [Symbol.dispose]: () => stack.dispose() }
}
