import type { NodeReport } from '../../common/wire/node-report.ts'
import type { PortTiming } from '../../policy/paths/graph.ts'
import type { Topology } from '../topology/graph.ts'
import { type NodeName, nodeKeyOf } from './node-name.ts'

type Interfaces = NonNullable<NodeReport['interfaces']>
type Timing = NonNullable<NodeReport['timing']>

/** An uplink of which the node tells no clock. */
const NO_CLOCK: PortTiming = { hardware: false, synchronised: false, scheduled: false, pacing: 'agent' }
/** Queueing disciplines that send by a schedule or by times of departure. */
const SCHEDULED = /^(taprio|mqprio|etf)\b/

/** Brings what devices tell of clocks and queues at their interfaces to the links of the topology. */
export class NodePorts implements Disposable {
  readonly #topology: Pick<Topology, 'setPorts' | 'listen'>
  readonly #now: () => number
  readonly #told = new Map<string, Pick<NodeReport, 'interfaces' | 'timing'>>()
  readonly #unlisten: () => void

  /** @param now the steady clock, Unix ms */
  constructor(topology: Pick<Topology, 'setPorts' | 'listen'>, now: () => number) {
    this.#topology = topology
    this.#now = now
    this.#unlisten = topology.listen({ nodeGone: (record) => void this.#told.delete(nodeKeyOf(record)) })
  }

  /** A node told sections of its report. What it told before stands, also while it is away. */
  reported(node: NodeName, { interfaces, timing }: NodeReport): void {
    if (!interfaces && !timing) return
    const told = {
      ...this.#told.get(nodeKeyOf(node)),
      ...(interfaces && { interfaces }),
      ...(timing && { timing }),
    }
    this.#told.set(nodeKeyOf(node), told)
    if (told.interfaces && told.timing)
      this.#topology.setPorts(node.tenantId, node.nodeId, portsOf(told.interfaces, told.timing), this.#now())
  }

  [Symbol.dispose](): void {
    this.#unlisten()
  }
}

/** By link. Interfaces that are no uplinks are left out. */
function portsOf(interfaces: Interfaces, timing: Timing): ReadonlyMap<string, PortTiming> {
  return new Map(
    interfaces.flatMap(({ name, link_id }) => {
      if (link_id === null) return []
      const told = timing.find((each) => each.interface === name)
      return [[link_id, told ? portOf(told) : NO_CLOCK] as const]
    }),
  )
}

function portOf({
  ptp_device,
  hardware_timestamps,
  synchronised,
  qdisc,
  pacing,
}: Timing[number]): PortTiming {
  const hardware = hardware_timestamps && ptp_device !== null
  return { hardware, synchronised, scheduled: SCHEDULED.test(qdisc ?? ''), pacing }
}
