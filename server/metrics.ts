import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const LATENCY_BUCKETS_S = [0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5]

/** Gauges that read their parts of the hub when Prometheus asks. */
export type ReadGauge =
  | 'overlay_sessions_active'
  | 'lanecast_streams'
  | 'lanecast_programs'
  | 'bus_queue_depth'
  | 'lanecast_slo_burn_ratio'
  | 'lanecast_alarms'
  | 'lanecast_nodes'
  | 'lanecast_nodes_connected'
  | 'lanecast_links'
  | 'lanecast_links_detoured'
  | 'lanecast_certificate_expires_days'
  | 'turn_allocations'

export interface Reading {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The hub's Prometheus metrics: the golden names first, all times in seconds, as Prometheus wants them. */
export class Metrics {
  readonly registry = new Registry()
  readonly #readers = new Map<ReadGauge, Set<() => Iterable<Reading>>>()
  readonly errors: Counter<'stage' | 'kind'>
  readonly rejected: Counter<'reason'>
  readonly restarts: Counter<'service'>
  readonly viewerMoves: Counter<'outcome'>
  readonly switches: Counter<'cause'>
  readonly iceRestarts: Counter<'by' | 'of'>
  readonly inputIssues: Counter<'kind'>
  readonly retransmits: Counter<'class'>
  readonly reroutes: Counter<'class' | 'cause'>
  readonly reconsidered: Counter<'cause'>
  readonly takes: Counter<'outcome'>
  readonly takeTime: Histogram
  readonly alarmsRaised: Counter<'kind'>
  readonly configReloads: Counter<'outcome'>
  readonly nodeConfigs: Counter<'outcome'>
  readonly nodeCommands: Counter<'outcome'>
  readonly factsMissed: Counter<'listener'>
  readonly backlogReceived: Counter
  readonly backlogGaveWay: Counter
  readonly clockSteps: Counter<'direction'>
  readonly turnBytes: Counter<'direction'>
  readonly turnRefused: Counter<'reason'>
  readonly turnQuotaRefused: Counter<'quota'>
  readonly turnAllocated: Counter
  readonly turnDropped: Counter
  readonly telemetryReports: Counter<'outcome'>
  readonly detoursTaken: Counter<'via'>
  readonly detourBytes: Counter<'direction'>
  readonly detourDrops: Counter
  readonly glassToGlass: Histogram<'class'>
  readonly join: Histogram<'class'>
  readonly jitter: Histogram<'class'>
  readonly loss: Histogram<'class'>
  readonly viewerBitrate: Histogram<'class'>
  readonly bitrate: Gauge<'tenant_id' | 'stream_id' | 'track'>
  readonly ristPackets: Gauge<'tenant_id' | 'stream_id' | 'kind'>
  readonly ristBuffer: Gauge<'tenant_id' | 'stream_id'>
  readonly linkRtt: Gauge<'tenant_id' | 'stream_id' | 'link'>
  readonly linkBitrate: Gauge<'tenant_id' | 'stream_id' | 'link'>

  constructor() {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.errors = new Counter({
      name: 'errors_total',
      help: 'Failures that were contained',
      labelNames: ['stage', 'kind'],
      registers,
    })
    this.rejected = new Counter({
      name: 'rejected_total',
      help: 'Senders, viewers and messages turned away',
      labelNames: ['reason'],
      registers,
    })
    this.viewerMoves = new Counter({
      name: 'viewer_moves_total',
      help: 'Moves of running viewers to a less loaded media worker, by outcome: moved, stayed or broken',
      labelNames: ['outcome'],
      registers,
    })
    this.switches = new Counter({
      name: 'switches_total',
      help: 'Changes of what is on air in a switched stream, by cause',
      labelNames: ['cause'],
      registers,
    })
    this.iceRestarts = new Counter({
      name: 'ice_restarts_total',
      help: 'ICE restarts of running transports, by the side that saw the lost path first: client or hub',
      labelNames: ['by', 'of'],
      registers,
    })
    this.restarts = new Counter({
      name: 'service_restarts_total',
      help: 'Children that died and were replaced',
      labelNames: ['service'],
      registers,
    })
    this.inputIssues = new Counter({
      name: 'lanecast_input_issues_total',
      help: 'Damage in what senders sent',
      labelNames: ['kind'],
      registers,
    })
    this.retransmits = new Counter({
      name: 'lanecast_retransmits_total',
      help: 'Packets from senders that were lost on the way and came by retransmission',
      labelNames: ['class'],
      registers,
    })
    this.reroutes = new Counter({
      name: 'lanecast_reroutes_total',
      help: 'Flows that were moved to other nodes or links while they ran',
      labelNames: ['class', 'cause'],
      registers,
    })
    this.reconsidered = new Counter({
      name: 'lanecast_reconsidered_total',
      help: 'Running flows that telemetry made the hub decide about again',
      labelNames: ['cause'],
      registers,
    })
    this.takes = new Counter({
      name: 'lanecast_takes_total',
      help: 'Takes of programs by outcome: taken, or the code of the refusal',
      labelNames: ['outcome'],
      registers,
    })
    this.takeTime = new Histogram({
      name: 'lanecast_take_seconds',
      help: 'From the request of a take without a time until the switch, with its wait for takes before it',
      buckets: LATENCY_BUCKETS_S,
      registers,
    })
    this.alarmsRaised = new Counter({
      name: 'lanecast_alarms_raised_total',
      help: 'Alarms raised',
      labelNames: ['kind'],
      registers,
    })
    this.configReloads = new Counter({
      name: 'lanecast_config_reloads_total',
      help: 'Times that the configuration was read again: applied, unchanged or refused',
      labelNames: ['outcome'],
      registers,
    })
    this.backlogReceived = new Counter({
      name: 'lanecast_backlog_bytes_total',
      help: 'Media that senders delivered later, bytes',
      registers,
    })
    this.backlogGaveWay = new Counter({
      name: 'lanecast_backlog_gave_way_total',
      help: 'Segments of media delivered later that gave way to newer ones',
      registers,
    })
    this.nodeConfigs = new Counter({
      name: 'lanecast_node_configs_total',
      help: 'Documents of field senders by what the device did: applied, refused, or local where somebody configured it there',
      labelNames: ['outcome'],
      registers,
    })
    this.nodeCommands = new Counter({
      name: 'lanecast_node_commands_total',
      help: 'Commands to field senders by outcome: done, refused, expired',
      labelNames: ['outcome'],
      registers,
    })
    this.factsMissed = new Counter({
      name: 'lanecast_facts_missed_total',
      help: 'Facts that a slow part of the hub missed',
      labelNames: ['listener'],
      registers,
    })
    this.clockSteps = new Counter({
      name: 'lanecast_clock_steps_total',
      help: 'Steps of the machine clock, by direction: forward, back',
      labelNames: ['direction'],
      registers,
    })
    this.telemetryReports = new Counter({
      name: 'lanecast_telemetry_reports_total',
      help: 'Telemetry reports by outcome',
      labelNames: ['outcome'],
      registers,
    })
    this.detoursTaken = new Counter({
      name: 'lanecast_detours_total',
      help: 'Times that a link of a field sender took a detour, by its way: turn, wss',
      labelNames: ['via'],
      registers,
    })
    this.detourBytes = new Counter({
      name: 'lanecast_detour_bytes_total',
      help: 'Bytes of RIST over WebSockets, by direction: received from senders, sent to them',
      labelNames: ['direction'],
      registers,
    })
    this.detourDrops = new Counter({
      name: 'lanecast_detour_dropped_total',
      help: 'Messages to senders on a detour that were dropped because the sender did not read',
      registers,
    })
    const seconds = (name: string, help: string) =>
      new Histogram({ name, help, labelNames: ['class'], buckets: LATENCY_BUCKETS_S, registers })
    this.glassToGlass = seconds('lanecast_glass_to_glass_seconds', 'Camera to screen, as viewers measured it')
    this.join = seconds('lanecast_join_seconds', 'Connection to first decoded frame, as viewers measured it')
    this.jitter = seconds('lanecast_viewer_jitter_seconds', 'RTP jitter at viewers')
    this.loss = new Histogram({
      name: 'lanecast_viewer_loss_ratio',
      help: 'Packets lost on the way to viewers, 0 to 1',
      labelNames: ['class'],
      buckets: [0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
      registers,
    })
    this.viewerBitrate = new Histogram({
      name: 'lanecast_viewer_kbps',
      help: 'Bitrate that viewers received, kb/s',
      labelNames: ['class'],
      buckets: [100, 300, 600, 1000, 1500, 2500, 4000, 6000, 10_000, 20_000],
      registers,
    })
    this.turnBytes = new Counter({
      name: 'turn_bytes_total',
      help: "Bytes that the hub's TURN relay carried, to clients and to peers",
      labelNames: ['direction'],
      registers,
    })
    this.turnRefused = new Counter({
      name: 'turn_refused_total',
      help: "Requests that the hub's TURN relay refused",
      labelNames: ['reason'],
      registers,
    })
    this.turnQuotaRefused = new Counter({
      name: 'turn_quota_refused_total',
      help: "Allocations that the hub's TURN relay refused because a quota was taken: of a user, tenant, address, or all",
      labelNames: ['quota'],
      registers,
    })
    this.turnAllocated = new Counter({
      name: 'turn_allocated_total',
      help: "Allocations that the hub's TURN relay has made",
      registers,
    })
    this.turnDropped = new Counter({
      name: 'turn_dropped_packets_total',
      help: "Packets that the hub's TURN relay dropped: ceilings, full queues, no permission, malformed",
      registers,
    })
    const perStream = <Label extends string>(name: string, help: string, label: Label) =>
      new Gauge({ name, help, labelNames: ['tenant_id', 'stream_id', label] as const, registers })
    this.bitrate = perStream('lanecast_input_kbps', 'Bitrate of a stream by track, kb/s', 'track')
    this.ristPackets = perStream(
      'lanecast_rist_packets',
      'RIST packets of the last second: received, recovered, lost',
      'kind',
    )
    this.ristBuffer = new Gauge({
      name: 'lanecast_rist_buffer_ms',
      help: 'Recovery buffer that was fitted to the path of a stream, ms',
      labelNames: ['tenant_id', 'stream_id'],
      registers,
    })
    this.linkRtt = perStream('lanecast_link_rtt_ms', 'Round-trip time of a link, ms', 'link')
    this.linkBitrate = perStream('lanecast_link_kbps', 'Bitrate received over a link, kb/s', 'link')
    this.#labelled('overlay_sessions_active', 'Viewer connections open now', [])
    this.#labelled('lanecast_streams', 'Streams by the state of their input', ['state'])
    this.#labelled('lanecast_programs', 'Programs by the state of their stream', ['state'])
    this.#labelled('bus_queue_depth', 'Work that waits in a queue inside the hub', ['service'])
    this.#labelled(
      'lanecast_slo_burn_ratio',
      'How fast the p95 targets use up their error budget: 1 just meets it',
      ['class', 'window'],
    )
    this.#labelled('lanecast_alarms', 'Alarms that are raised now', ['kind'])
    this.#labelled('lanecast_nodes', 'Nodes of the directory', ['role', 'state'])
    this.#labelled('lanecast_nodes_connected', 'Field senders whose channel is connected now', [])
    this.#labelled('lanecast_links_detoured', 'Links of field senders that take a detour, by its way', [
      'via',
    ])
    this.#labelled('turn_allocations', "Allocations at the hub's TURN relay now", [])
    this.#labelled('lanecast_links', 'Links by the evidence that they deliver', ['standing'])
    this.#labelled(
      'lanecast_certificate_expires_days',
      'Days until the certificate that the hub shows expires',
      [],
    )
  }

  /**
   * From now on this gauge also shows what `read` returns when Prometheus asks.
   * @returns a function that ends this
   */
  gauge(name: ReadGauge, read: () => Iterable<Reading>): () => void {
    const readers = this.#readers.get(name) ?? new Set()
    readers.add(read)
    this.#readers.set(name, readers)
    return () => readers.delete(read)
  }

  #labelled(name: ReadGauge, help: string, labelNames: string[]): void {
    const readers = this.#readers
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset()
          for (const read of readers.get(name) ?? []) {
            for (const { labels, value } of read()) this.set(labels, value)
          }
        },
      }),
    )
  }
}

/** Counts things with the same labels. */
export function tally<T>(things: readonly T[], labelsOf: (thing: T) => Record<string, string>): Reading[] {
  const counts = new Map<string, { labels: Record<string, string>; value: number }>()
  for (const thing of things) {
    const labels = labelsOf(thing)
    const key = JSON.stringify(labels)
    const count = counts.get(key) ?? { labels, value: 0 }
    count.value += 1
    counts.set(key, count)
  }
  return [...counts.values()]
}
