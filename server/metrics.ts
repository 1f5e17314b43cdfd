import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** What the gauges read when Prometheus asks. */
export interface Gauged {
  readonly sessions: () => number
  readonly streamsByState: () => Readonly<Record<string, number>>
}

const LATENCY_BUCKETS_S = [0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5]

/** The hub's Prometheus metrics: the golden names first, all times in seconds as Prometheus wants them. */
export class Metrics {
  readonly registry = new Registry()
  readonly errors: Counter<'stage' | 'kind'>
  readonly rejected: Counter<'reason'>
  readonly restarts: Counter<'service'>
  readonly inputIssues: Counter<'kind'>
  readonly glassToGlass: Histogram<'class'>
  readonly join: Histogram<'class'>
  readonly jitter: Histogram<'class'>
  readonly loss: Histogram<'class'>
  readonly bitrate: Gauge<'tenant_id' | 'stream_id' | 'track'>
  readonly ristPackets: Gauge<'tenant_id' | 'stream_id' | 'kind'>
  readonly ristBuffer: Gauge<'tenant_id' | 'stream_id'>
  readonly linkRtt: Gauge<'tenant_id' | 'stream_id' | 'link'>
  readonly linkBitrate: Gauge<'tenant_id' | 'stream_id' | 'link'>

  constructor(gauged: Gauged) {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.registry.registerMetric(
      new Gauge({
        name: 'overlay_sessions_active',
        help: 'Viewer connections open now',
        registers: [],
        collect() {
          this.set(gauged.sessions())
        },
      }),
    )
    this.registry.registerMetric(
      new Gauge({
        name: 'lanecast_streams',
        help: 'Streams by the state of their input',
        labelNames: ['state'],
        registers: [],
        collect() {
          this.reset()
          for (const [state, count] of Object.entries(gauged.streamsByState())) this.set({ state }, count)
        },
      }),
    )
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
    this.restarts = new Counter({
      name: 'service_restarts_total',
      help: 'Children that died and were replaced',
      labelNames: ['service'],
      registers,
    })
    this.inputIssues = new Counter({
      name: 'lanecast_input_issues_total',
      help: 'Damage found in what senders sent',
      labelNames: ['kind'],
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
  }
}
