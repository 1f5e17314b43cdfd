import { describeStanding, freshness, standingOf } from '../../policy/health.ts'
import { MISFIT_WORDS } from '../../policy/paths/determinism.ts'
import type { GraphLink, GraphNode } from '../../policy/paths/graph.ts'
import type { AlarmBook, AlarmName } from './alarms.ts'
import type { Topology } from './graph.ts'
import type { NodeRecord } from './node-record.ts'
import type { QosTriggers } from './qos-triggers.ts'
import type { SloTracker } from './slo.ts'

const ALARM_THRESHOLDS = {
  /** Switches of one flow in five minutes. */
  flappingSwitches: 3,
  /** Failures of one link that are not forgotten yet. */
  flappingBreaks: 3,
  /**
   * An access point's load as a share of what it can carry: raises the alarm at the first, clears it below the second.
   */
  oversubscribedFrom: 1,
  oversubscribedTo: 0.85,
  /** Burn of the error budget: the alarm is raised at the first, cleared below the second. */
  breachFrom: 1,
  breachTo: 0.8,
} as const

export interface AlarmWatchOptions {
  readonly topology: Topology
  readonly triggers: QosTriggers
  readonly slo: SloTracker
  readonly alarms: AlarmBook
}

/** Looks at the topology and reports each condition to the alarm book. */
export class AlarmWatch {
  readonly #options: AlarmWatchOptions

  constructor(options: AlarmWatchOptions) {
    this.#options = options
  }

  /** Call it each second or so. */
  tick(nowMs: number): void {
    this.#links(nowMs)
    this.#clocks(nowMs)
    this.#nodes(nowMs)
    this.#flows(nowMs)
    this.#levels(nowMs)
    this.#options.alarms.sweep(nowMs)
  }

  #links(nowMs: number): void {
    const { topology, triggers, alarms } = this.#options
    const looked = new Set<string>()
    for (const [link] of triggers.flows.linksInUse()) {
      looked.add(nameOf(link).subject)
      this.#link(link, nowMs)
    }
    // A flow that left a broken link does not repair the link.
    for (const kind of ['link_down', 'path_flapping'] as const) {
      for (const name of alarms.subjects(kind)) {
        if (looked.has(name.subject) || !name.subject.startsWith('link:')) continue
        const [nodeId = '', linkId = ''] = name.subject.slice('link:'.length).split('/')
        const link = topology.link(name.tenantId, nodeId, linkId)
        if (link) this.#link(link, nowMs)
        else alarms.gone(name, nowMs)
      }
    }
  }

  #link(link: GraphLink, nowMs: number): void {
    const { alarms } = this.#options
    const { tenantId, subject } = nameOf(link)
    const standing = standingOf(link.evidence, nowMs)
    const down = { kind: 'link_down', tenantId, subject } as const
    // A link that delivers again but is not trusted yet keeps its alarm.
    const broken =
      standing === 'dead' || standing === 'silent' || (alarms.raised(down) && standing === 'probing')
    alarms.report(down, broken, describeStanding(link.evidence, nowMs), nowMs)
    const { breaks } = link.evidence
    const flapping = { kind: 'path_flapping', tenantId, subject } as const
    const words = `the link failed ${breaks} times of late`
    alarms.report(flapping, breaks >= ALARM_THRESHOLDS.flappingBreaks, words, nowMs)
  }

  /** Ports that lost their clock under a flow that needs it. The flow may have left them since. */
  #clocks(nowMs: number): void {
    const { triggers, alarms } = this.#options
    const lost = new Set<string>()
    for (const link of triggers.flows.lostClocks()) {
      const { tenantId, subject } = nameOf(link)
      lost.add(`${tenantId} ${subject}`)
      const name = { kind: 'clock_lost', tenantId, subject } as const
      alarms.report(name, true, `${MISFIT_WORDS.clock_lost}, and a deterministic flow needs it`, nowMs)
    }
    for (const name of alarms.subjects('clock_lost'))
      if (!lost.has(`${name.tenantId} ${name.subject}`)) alarms.report(name, false, '', nowMs)
  }

  #nodes(nowMs: number): void {
    const { topology, triggers, alarms } = this.#options
    const inUse = new Set<GraphNode>()
    for (const { route } of triggers.flows.all()) for (const node of route.nodes) inUse.add(node)
    for (const record of topology.records()) {
      const name = { kind: 'node_down', tenantId: record.tenantId, subject: `node:${record.nodeId}` } as const
      const node = topology.snapshot.node(record.tenantId, record.nodeId)
      // Senders and recorders come and go as they please, unless something runs over them.
      const missed =
        (PERMANENT.has(record.entry.role) && record.lastSeen !== null) || (node && inUse.has(node))
      const silent =
        record.lastSeen === null ? 'never' : `${Math.round((nowMs - record.lastSeen) / 1000)} s ago`
      alarms.report(name, !record.up && missed === true, `last sign of life ${silent}`, nowMs)
      if (record.entry.role === 'access-point' && node) this.#accessPoint(record, node, nowMs)
    }
    for (const kind of ['node_down', 'oversubscribed_access_point'] as const) {
      for (const name of alarms.subjects(kind)) {
        if (!topology.record(name.tenantId, name.subject.slice('node:'.length))) alarms.gone(name, nowMs)
      }
    }
  }

  /** Whether the access point has more than it is known to carry, or several of its links are congested at once. */
  #accessPoint({ tenantId, nodeId, entry }: NodeRecord, node: GraphNode, nowMs: number): void {
    const { alarms, triggers } = this.#options
    const subject = `node:${nodeId}`
    const name = { kind: 'oversubscribed_access_point', tenantId, subject } as const
    const { oversubscribedFrom, oversubscribedTo } = ALARM_THRESHOLDS
    const threshold = alarms.raised(name) ? oversubscribedTo : oversubscribedFrom
    const users = [...triggers.flows.all()].filter(({ route }) => route.nodes.includes(node))
    const granted = users.reduce((sum, { flow }) => sum + flow.kbps, 0)
    const carried = carriedKbps(node, nowMs)
    const { max_kbps: most, max_flows: mostFlows } = entry
    const full =
      (most !== null && Math.max(granted, carried) > most * threshold) ||
      (mostFlows !== null && users.length > mostFlows * threshold)
    let congested = 0
    for (const [link, { watch }] of triggers.flows.linksInUse()) {
      if (watch.congested && (link.from === node || link.to === node)) congested += 1
    }
    const words =
      `${users.length} flows${mostFlows === null ? '' : ` of ${mostFlows}`}, ${granted} kb/s granted and ` +
      `${Math.round(carried)} kb/s carried${most === null ? '' : ` of ${most}`}, ${congested} links congested`
    const wasRaised = alarms.raised(name)
    alarms.report(name, full || congested >= 2, words, nowMs)
    if (!wasRaised && alarms.raised(name)) {
      for (const { flow } of users) triggers.request(flow.contractId, 'oversubscribed')
    }
  }

  #flows(nowMs: number): void {
    const { triggers, alarms } = this.#options
    for (const { flow } of triggers.flows.all()) {
      const switches = triggers.switchesOf(flow.contractId, nowMs).length
      const name = { kind: 'path_flapping', tenantId: flow.tenantId, subject: flowSubject(flow) } as const
      const words = `stream ${flow.streamId} switched its path ${switches} times in 5 minutes`
      alarms.report(name, switches >= ALARM_THRESHOLDS.flappingSwitches, words, nowMs)
    }
    for (const name of alarms.subjects('path_flapping')) {
      const contractId = name.subject.startsWith('flow:') ? name.subject.slice('flow:'.length) : null
      if (contractId !== null && !triggers.flows.get(contractId)) alarms.gone(name, nowMs)
    }
  }

  #levels(nowMs: number): void {
    const { slo, alarms } = this.#options
    const present = new Set<string>()
    for (const { tenantId, streamClass, targetMs, count, burn } of slo.levels(nowMs)) {
      const name: AlarmName = { kind: 'slo_breach', tenantId, subject: `class:${streamClass}` }
      present.add(`${tenantId}/${name.subject}`)
      const threshold = alarms.raised(name) ? ALARM_THRESHOLDS.breachTo : ALARM_THRESHOLDS.breachFrom
      const words =
        `${Math.round((burn ?? 0) * 5)} % of ${count} reports in 5 minutes were later than ${targetMs} ms, ` +
        'where 5 % may be'
      alarms.report(name, burn !== null && burn > threshold, words, nowMs)
    }
    for (const name of alarms.subjects('slo_breach')) {
      if (!present.has(`${name.tenantId}/${name.subject}`)) alarms.gone(name, nowMs)
    }
  }
}

const PERMANENT: ReadonlySet<string> = new Set(['hub', 'edge', 'relay', 'access-point'])

function nameOf({ facts }: GraphLink): { tenantId: string | null; subject: string } {
  return { tenantId: facts.tenantId, subject: `link:${facts.from}/${facts.linkId}` }
}

const flowSubject = ({ contractId }: { contractId: string }): string => `flow:${contractId}`

/** Bitrate over the node's links by their newest reports, each direction counted once, kb/s. */
function carriedKbps(node: GraphNode, nowMs: number): number {
  let [inwards, outwards] = [0, 0]
  for (const { link } of node.arcs) {
    const kbps = (link.metrics?.bitrateKbps ?? 0) * freshness(link.metrics?.at ?? null, nowMs)
    if (link.to === node) inwards += kbps
    else outwards += kbps
  }
  return Math.max(inwards, outwards)
}
