import type { TopologySnapshot } from './graph.ts'

/**
 * Working memory for questions about one topology, kept from one decision to the next: fresh arrays for each decision
 * would keep the garbage collector busy. No entry can leak into the next decision: an entry counts only for the
 * question whose stamp it carries, and a stamp is never given twice.
 */
export interface Scratch {
  /** Number of slots. */
  readonly nodeSlots: number
  readonly linkSlots: number
  readonly linkStamps: Float64Array
  readonly linkCosts: Float64Array
  readonly linkNeeds: Uint8Array
  readonly nodeStamps: Float64Array
  readonly nodeCosts: Float64Array
  readonly nodeFactors: Float64Array
  readonly nodeArrivals: Float64Array
  readonly nodeBits: Uint8Array
  readonly bestStamps: Float64Array
  readonly best: Float64Array
}

const kept = new WeakMap<TopologySnapshot, Scratch>()
let stamps = 0

/** The working memory of a topology, grown to its size. */
export function scratchOf(snapshot: TopologySnapshot): Scratch {
  const known = kept.get(snapshot)
  if (known && known.nodeSlots >= snapshot.nodeSlots && known.linkSlots >= snapshot.linkSlots) return known
  const [nodeSlots, linkSlots] = [roomy(snapshot.nodeSlots), roomy(snapshot.linkSlots)]
  const scratch: Scratch = {
    nodeSlots,
    linkSlots,
    linkStamps: new Float64Array(linkSlots),
    linkCosts: new Float64Array(linkSlots),
    linkNeeds: new Uint8Array(linkSlots),
    nodeStamps: new Float64Array(nodeSlots),
    nodeCosts: new Float64Array(nodeSlots),
    nodeFactors: new Float64Array(nodeSlots),
    nodeArrivals: new Float64Array(nodeSlots),
    nodeBits: new Uint8Array(nodeSlots),
    bestStamps: new Float64Array(nodeSlots),
    best: new Float64Array(nodeSlots),
  }
  kept.set(snapshot, scratch)
  return scratch
}

/** A stamp that was never used before. */
export function nextStamp(): number {
  stamps += 1
  return stamps
}

const roomy = (slots: number): number => Math.ceil(slots * 1.5) + 64
