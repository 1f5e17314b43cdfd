import { SYSTEM_CLOCK } from '../../common/clock.ts'
import type { NodeLoad } from '../../policy/paths/graph.ts'
import type { Topology } from './graph.ts'
import { IDLE } from './node-record.ts'

/** A flow under contract, as far as it uses room on nodes. */
export interface CarriedFlow {
  readonly contractId: string
  readonly tenantId: string
  /** From the flow's sender to the hub or edge where its media ends. */
  readonly nodes: readonly string[]
  /** The bitrate that the flow may send, kb/s. */
  readonly kbps: number
}

interface Place {
  readonly tenantId: string | null
  readonly nodeId: string
  readonly kbps: number
}

/** How full nodes are, so that the next request's admission sees it: granted flows at once, and measurements. */
export class NodeLoads {
  readonly #topology: Topology
  readonly #now: () => number
  /** The nodes on which each contract uses room. */
  readonly #places = new Map<string, readonly Place[]>()
  readonly #granted = new Map<string, { flows: number; kbps: number }>()
  readonly #measured = new Map<string, NodeLoad>()

  /** @param now the steady clock, Unix ms */
  constructor(topology: Topology, now: () => number = SYSTEM_CLOCK.steady) {
    this.#topology = topology
    this.#now = now
  }

  /** A contract runs, or its nodes changed. */
  running({ contractId, tenantId, nodes, kbps }: CarriedFlow): void {
    const places = nodes.flatMap((nodeId, index): Place[] => {
      const facts = this.#topology.snapshot.node(tenantId, nodeId)?.facts
      // The last node sends nothing on. What viewers get there is measured.
      const sent = index < nodes.length - 1 ? kbps : 0
      return facts ? [{ tenantId: facts.tenantId, nodeId, kbps: sent }] : []
    })
    const before = this.#places.get(contractId) ?? []
    this.#places.set(contractId, places)
    this.#take(before, -1)
    this.#take(places, 1)
    this.#tell([...before, ...places])
  }

  /** A contract ended. */
  over(contractId: string): void {
    const places = this.#places.get(contractId)
    if (!places) return
    this.#places.delete(contractId)
    this.#take(places, -1)
    this.#tell(places)
  }

  /** Measured load of a node, beside the flows that were granted over it. */
  measured(tenantId: string | null, nodeId: string, load: NodeLoad): void {
    this.#measured.set(keyOf({ tenantId, nodeId }), load)
    this.#tell([{ tenantId, nodeId }])
  }

  #take(places: readonly Place[], sign: 1 | -1): void {
    for (const place of places) {
      const key = keyOf(place)
      const sum = this.#granted.get(key) ?? { flows: 0, kbps: 0 }
      sum.flows += sign
      sum.kbps += sign * place.kbps
      if (sum.flows === 0) this.#granted.delete(key)
      else this.#granted.set(key, sum)
    }
  }

  #tell(places: readonly Pick<Place, 'tenantId' | 'nodeId'>[]): void {
    for (const { tenantId, nodeId } of places) {
      const key = keyOf({ tenantId, nodeId })
      const { flows, kbps } = this.#granted.get(key) ?? IDLE
      const { workerCpu, flows: more, kbps: moreKbps } = this.#measured.get(key) ?? IDLE
      const load = { workerCpu, flows: flows + more, kbps: kbps + moreKbps }
      this.#topology.setLoad(tenantId, nodeId, load, this.#now())
    }
  }
}

/** Ids hold no slash. */
function keyOf({ tenantId, nodeId }: Pick<Place, 'tenantId' | 'nodeId'>): string {
  return `${tenantId ?? ''}/${nodeId}`
}
