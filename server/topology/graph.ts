import { isDeepStrictEqual } from 'node:util'
import { MAX_LINKS_PER_NODE, type NodeEntry } from '../../common/wire/topology.ts'
import type { LinkEvidence, LinkObservation } from '../../policy/evidence.ts'
import {
  type GraphLink,
  type LinkFacts,
  type NodeLoad,
  type PortTiming,
  TopologyGraph,
  type TopologySnapshot,
} from '../../policy/paths/graph.ts'
import { mayPass } from '../../policy/tenancy.ts'
import { type Arrival, DeliveryLedger } from './delivery-ledger.ts'
import { factsOf, type NodeRecord, newRecord } from './node-record.ts'
import { wentDown } from './reputation.ts'
import { Unplaced } from './unplaced-links.ts'

/** A node without a sign of life for this long is down, ms: ten reports at the usual interval. */
export const DOWN_AFTER_MS = 10_000
/** How often nodes should report, ms. */
export const TELEMETRY_INTERVAL_MS = 1000
/** A link known only from reports is forgotten after this long without a report, ms. */
export const FORGET_LEARNED_MS = 600_000

export type ObserveOutcome = 'applied' | 'outdated' | 'unknown_node' | 'unknown_link' | 'too_many_links'

/**
 * Gets the changes. A listener that needs only some of them leaves the others out. Calls come in order; none may throw.
 */
export interface TopologyListener {
  linkObserved?(link: GraphLink): void
  /** Nodes or links came or went, or their declarations changed. */
  structureChanged?(): void
  nodeUp?(tenantId: string | null, nodeId: string): void
  nodeDown?(tenantId: string | null, nodeId: string): void
  /** What a node tells of its ports is another thing. */
  portsChanged?(): void
  /** A node was removed, with everything learned of it. */
  nodeGone?(record: NodeRecord): void
}

const key = (tenantId: string | null, nodeId: string) => `${tenantId ?? ''}/${nodeId}`

/**
 * The live topology: nodes as the directory declares them, links that were declared or learned from reports,
 * measurements on links, and which nodes live. Decisions read `snapshot`. The topology reads no clock: each call brings
 * the time, in Unix milliseconds.
 */
export class Topology {
  readonly #graph = new TopologyGraph()
  readonly #records = new Map<string, NodeRecord>()
  readonly #unplaced = new Unplaced()
  readonly #ledger = new DeliveryLedger<GraphLink>()
  readonly #listeners = new Set<TopologyListener>()

  get snapshot(): TopologySnapshot {
    return this.#graph
  }

  /** Number of nodes. */
  get size(): number {
    return this.#records.size
  }

  records(): Iterable<NodeRecord> {
    return this.#records.values()
  }

  record(tenantId: string | null, nodeId: string): NodeRecord | undefined {
    return this.#records.get(key(tenantId, nodeId))
  }

  links(): Iterable<GraphLink> {
    return this.#graph.links()
  }

  link(tenantId: string | null, nodeId: string, linkId: string): GraphLink | undefined {
    return this.#graph.link(tenantId, nodeId, linkId)
  }

  listen(listener: TopologyListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Adds a node or replaces its declaration. */
  upsert(tenantId: string | null, nodeId: string, entry: NodeEntry, nowMs: number): void {
    const known = this.record(tenantId, nodeId)
    const record = known ?? newRecord(tenantId, nodeId, entry, nowMs)
    const before = record.entry.links
    this.#unplaced.drop(record)
    record.entry = entry
    if (!known) this.#records.set(key(tenantId, nodeId), record)
    this.#graph.putNode(factsOf(record, nowMs))
    const declared = new Set(entry.links.map(({ link_id }) => link_id))
    for (const { link_id } of before) {
      if (!declared.has(link_id)) this.#graph.removeLink(tenantId, nodeId, link_id)
    }
    for (const { link_id, to, medium, tsn, capacity_kbps } of entry.links) {
      record.learned.delete(link_id)
      this.#place(record, { linkId: link_id, to, medium, tsn, capacityKbps: capacity_kbps })
    }
    for (const [from, link] of this.#unplaced.take(nodeId)) this.#place(from, link)
    this.#structureChanged()
  }

  /** Removes a node and its links. Links that others declared to the node wait until the node comes back. */
  remove(tenantId: string | null, nodeId: string): void {
    const record = this.record(tenantId, nodeId)
    if (!record) return
    for (const { link, to } of this.#graph.node(tenantId, nodeId)?.arcs ?? []) {
      const owner = this.record(to.facts.tenantId, to.facts.nodeId)
      if (link.from !== to || !owner) continue
      if (owner.learned.delete(link.facts.linkId)) owner.dirty = true
      else this.#unplaced.put(owner, link.facts)
    }
    this.#unplaced.drop(record)
    this.#graph.removeNode(tenantId, nodeId)
    this.#records.delete(key(tenantId, nodeId))
    for (const listener of this.#listeners) listener.nodeGone?.(record)
    this.#structureChanged()
  }

  /** A node gave a sign of life: a report, or any request with which the node proved its identity. */
  seen(tenantId: string | null, nodeId: string, nowMs: number): boolean {
    const record = this.record(tenantId, nodeId)
    if (!record) return false
    record.lastSeen = Math.max(record.lastSeen ?? nowMs, nowMs)
    record.dirty = true
    this.#setUp(record, true, nowMs)
    return true
  }

  /** A connection (control channel, or the hub's own) proves that the node lives, until the result is called. */
  hold(tenantId: string | null, nodeId: string, nowMs: number): (nowMs: number) => void {
    const record = this.record(tenantId, nodeId)
    if (!record) return () => {}
    record.holds += 1
    this.seen(tenantId, nodeId, nowMs)
    let held = true
    return (endMs) => {
      if (!held) return
      held = false
      record.holds -= 1
      record.lastSeen = endMs
    }
  }

  setLoad(tenantId: string | null, nodeId: string, load: NodeLoad, nowMs: number): void {
    const record = this.record(tenantId, nodeId)
    if (!record) return
    record.load = load
    this.#graph.putNode(factsOf(record, nowMs))
  }

  /** Takes what a node tells of the ports of its links, by link; null: nothing any more. */
  setPorts(
    tenantId: string | null,
    nodeId: string,
    ports: ReadonlyMap<string, PortTiming> | null,
    nowMs: number,
  ): void {
    const record = this.record(tenantId, nodeId)
    if (!record || isDeepStrictEqual(record.ports, ports)) return
    record.ports = ports
    this.#graph.putNode(factsOf(record, nowMs))
    const node = this.#graph.node(tenantId, nodeId)
    for (const { link } of node?.arcs ?? []) {
      const { facts } = link
      if (link.from === node) this.#graph.putLink({ ...facts, timing: ports?.get(facts.linkId) ?? null })
    }
    for (const listener of this.#listeners) listener.portsChanged?.()
  }

  /**
   * Takes a node's report about one of its own links. An undeclared link is learned: it leads to `to`, or else to the
   * first hub.
   */
  observe(
    tenantId: string | null,
    nodeId: string,
    linkId: string,
    report: LinkObservation,
    to?: string,
  ): ObserveOutcome {
    const record = this.record(tenantId, nodeId)
    if (!record) return 'unknown_node'
    const learned = record.learned.get(linkId)
    let link = this.link(tenantId, nodeId, linkId)
    if (!link || (learned && to !== undefined && to !== learned.to)) {
      const outcome = this.#learn(record, linkId, to, report.at)
      if (outcome !== 'applied') return outcome
      link = this.link(tenantId, nodeId, linkId)
    }
    if (!link) return 'unknown_link'
    if (learned) learned.reportedAt = Math.max(learned.reportedAt, report.at)
    return this.#apply(record, link, this.#ledger.sent(link, report))
  }

  /** Takes what the other end of a node's link received. */
  arrived(tenantId: string | null, nodeId: string, linkId: string, arrival: Arrival): ObserveOutcome {
    const record = this.record(tenantId, nodeId)
    if (!record) return 'unknown_node'
    if (arrival.packets > 0) this.seen(tenantId, nodeId, arrival.at)
    if (!this.link(tenantId, nodeId, linkId)) {
      const outcome = this.#learn(record, linkId, undefined, arrival.at)
      if (outcome !== 'applied') return outcome
    }
    const link = this.link(tenantId, nodeId, linkId)
    if (!link) return 'unknown_link'
    const learned = record.learned.get(linkId)
    if (learned) learned.reportedAt = Math.max(learned.reportedAt, arrival.at)
    return this.#apply(record, link, this.#ledger.arrived(link, arrival))
  }

  /** Finds silent nodes, and forgets learned links without reports. Call it each second or so. */
  sweep(nowMs: number): void {
    let forgot = false
    for (const record of this.#records.values()) {
      const alive = record.holds > 0 || nowMs - lastSign(record) <= DOWN_AFTER_MS
      if (record.up && !alive) this.#setUp(record, false, nowMs)
      else if (record.reputation.value < 1) this.#graph.putNode(factsOf(record, nowMs))
      for (const { linkId, reportedAt } of record.learned.values()) {
        if (nowMs - reportedAt <= FORGET_LEARNED_MS) continue
        record.learned.delete(linkId)
        this.#graph.removeLink(record.tenantId, record.nodeId, linkId)
        record.dirty = true
        forgot = true
      }
    }
    if (forgot) this.#structureChanged()
  }

  /** Restores what was known of a node's link before a restart. */
  restoreLink(
    record: NodeRecord,
    linkId: string,
    known: { metrics: LinkObservation | null; evidence: LinkEvidence },
    learned: { to: string; reportedAt: number } | null,
  ): void {
    const { tenantId, nodeId } = record
    const missing = learned !== null && !this.link(tenantId, nodeId, linkId)
    if (missing && this.#learn(record, linkId, learned.to, learned.reportedAt) !== 'applied') return
    this.#graph.restore(tenantId, nodeId, linkId, known)
  }

  /** Restores a node's state before a restart. A node that was up has the usual time to show itself. */
  restoreNode(
    record: NodeRecord,
    known: Pick<NodeRecord, 'up' | 'lastSeen' | 'reputation'>,
    nowMs: number,
  ): void {
    // If the clock was set back meanwhile, this is not taken for a future sign of life.
    record.lastSeen = known.lastSeen === null ? null : Math.min(known.lastSeen, nowMs)
    record.reputation = { ...known.reputation, at: Math.min(known.reputation.at, nowMs) }
    record.graceFrom = known.up ? nowMs : Number.NEGATIVE_INFINITY
    record.up = known.up
    this.#graph.putNode(factsOf(record, nowMs))
  }

  #apply(record: NodeRecord, link: GraphLink, report: LinkObservation): ObserveOutcome {
    if (link.metrics !== null && report.at < link.metrics.at) return 'outdated'
    this.#graph.observe(record.tenantId, record.nodeId, link.facts.linkId, report)
    record.dirty = true
    for (const listener of this.#listeners) listener.linkObserved?.(link)
    return 'applied'
  }

  #learn(record: NodeRecord, linkId: string, to: string | undefined, at: number): ObserveOutcome {
    const full = record.entry.links.length + record.learned.size >= MAX_LINKS_PER_NODE
    if (full && !record.learned.has(linkId)) return 'too_many_links'
    if (record.entry.links.some(({ link_id }) => link_id === linkId)) return 'unknown_link'
    const target = to ?? this.#firstHub(record)
    if (target === undefined) return 'unknown_link'
    const { tenantId, nodeId: from } = record
    // `overlay`: nobody said which medium it really is.
    const facts = {
      linkId,
      tenantId,
      from,
      to: target,
      medium: 'overlay',
      tsn: false,
      capacityKbps: null,
    } as const
    if (!this.#graph.putLink(facts)) return 'unknown_link'
    record.learned.set(linkId, { linkId, to: target, reportedAt: at })
    record.dirty = true
    this.#structureChanged()
    return 'applied'
  }

  #firstHub({ tenantId, nodeId }: NodeRecord): string | undefined {
    for (const { facts } of this.#graph.hubs()) {
      const passable = tenantId === null ? facts.tenantId === null : mayPass(tenantId, facts.tenantId)
      if (passable && facts.nodeId !== nodeId) return facts.nodeId
    }
    return undefined
  }

  #place(record: NodeRecord, link: Omit<LinkFacts, 'tenantId' | 'from'>): void {
    const facts = {
      linkId: link.linkId,
      tenantId: record.tenantId,
      from: record.nodeId,
      to: link.to,
      medium: link.medium,
      tsn: link.tsn,
      capacityKbps: link.capacityKbps,
      timing: record.ports?.get(link.linkId) ?? null,
    }
    if (this.#graph.putLink(facts)) return
    this.#graph.removeLink(record.tenantId, record.nodeId, link.linkId)
    this.#unplaced.put(record, link)
  }

  #setUp(record: NodeRecord, up: boolean, nowMs: number): void {
    if (record.up === up) return
    record.up = up
    record.dirty = true
    if (!up) record.reputation = wentDown(record.reputation, nowMs)
    this.#graph.putNode(factsOf(record, nowMs))
    for (const listener of this.#listeners) {
      if (up) listener.nodeUp?.(record.tenantId, record.nodeId)
      else listener.nodeDown?.(record.tenantId, record.nodeId)
    }
  }

  #structureChanged(): void {
    for (const listener of this.#listeners) listener.structureChanged?.()
  }
}

function lastSign({ lastSeen, graceFrom }: NodeRecord): number {
  return Math.max(lastSeen ?? Number.NEGATIVE_INFINITY, graceFrom)
}
