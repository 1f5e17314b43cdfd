import { SYSTEM_CLOCK } from '../../common/clock.ts'
import type { Logger } from '../../common/logger.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import { standingOf } from '../../policy/health.ts'
import type { TenantFacts } from '../facts/fact.ts'
import { type Metrics, tally } from '../metrics.ts'
import type { Store } from '../store/store.ts'
import { reportApplier } from '../telemetry/apply-report.ts'
import { TelemetryIntake } from '../telemetry/intake.ts'
import { AlarmWatch } from './alarm-watch.ts'
import { AlarmBook } from './alarms.ts'
import { topologyEvents } from './events.ts'
import { Topology } from './graph.ts'
import { mediaConditions } from './media-conditions.ts'
import { NodeDirectory } from './node-directory.ts'
import { NodeLoads } from './node-loads.ts'
import { QosTriggers, type Reconsider } from './qos-triggers.ts'
import { SloTracker } from './slo.ts'
import { StateKeeper } from './state-keeper.ts'

const TRIGGER_EVERY_MS = 200
const LOOK_EVERY_MS = 1000

export interface TopologyOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  /** Each hub of a database learns of nodes for itself. The usual hub's id by default. */
  readonly hubId?: string
  readonly metrics: Metrics
  readonly logger: Logger
  readonly facts: Pick<TenantFacts, 'tell' | 'subscribe'>
  /** The class of a tenant's stream; undefined where the tenant has no such stream. */
  readonly streamClass: (tenantId: string, streamId: string) => StreamClass | undefined
  /** p95 glass-to-glass target by the tenant's policy, ms; null where there is none. */
  readonly targetMs: (tenantId: string, streamClass: StreamClass) => number | null
  /** Where several hubs share the database: how often to look for nodes that other hubs added, ms. */
  readonly refreshMs?: number | undefined
  /** The steady clock, Unix milliseconds. */
  readonly now?: () => number
}

export interface TopologyParts extends AsyncDisposable {
  readonly topology: Topology
  readonly directory: NodeDirectory
  readonly loads: NodeLoads
  readonly intake: TelemetryIntake
  readonly triggers: QosTriggers
  readonly alarms: AlarmBook
  readonly slo: SloTracker
  /** From now on `reconsider` decides again about flows that must be looked at, until the result is disposed of. */
  reconsiderBy(reconsider: Reconsider): Disposable
}

/** Opens the directory, restores what was known, and begins to watch. */
export async function openTopology(options: TopologyOptions): Promise<TopologyParts> {
  const { store, metrics, logger, facts, refreshMs, now = SYSTEM_CLOCK.steady } = options
  await using stack = new AsyncDisposableStack()
  const topology = new Topology()
  const directory = stack.use(await NodeDirectory.open({ store, topology, refreshMs, now, logger }))
  stack.use(await StateKeeper.open({ store, topology, hubId: options.hubId, now, logger }))

  const events = topologyEvents(facts, metrics, logger)
  const unlisten = topology.listen({ nodeUp: events.nodeUp, nodeDown: events.nodeDown })
  stack.defer(unlisten)
  const slo = new SloTracker(options.targetMs)
  const alarms = new AlarmBook(events)
  stack.use(mediaConditions(facts, { alarms, slo, now }))
  const triggers = stack.use(new QosTriggers({ topology, slo, events, now }))
  const watch = new AlarmWatch({ topology, triggers, slo, alarms })
  const intake = stack.use(
    new TelemetryIntake({
      apply: reportApplier({ topology, slo, streamClass: options.streamClass }),
      now,
      counted: (outcomes) => {
        for (const [outcome, count] of outcomes) metrics.telemetryReports.inc({ outcome }, count)
      },
      refused: () => metrics.rejected.inc({ reason: 'telemetry_saturated' }),
      failed: (error) => {
        metrics.errors.inc({ stage: 'telemetry', kind: 'apply' })
        logger.error({ err: error }, 'a report could not be evaluated')
      },
    }),
  )

  const look = setInterval(() => {
    const nowMs = now()
    topology.sweep(nowMs)
    slo.sweep(nowMs)
    watch.tick(nowMs)
  }, LOOK_EVERY_MS).unref()
  stack.defer(() => clearInterval(look))
  for (const end of gauges(metrics, { topology, triggers, intake, alarms, slo }, now)) stack.defer(end)

  const owned = stack.move()
  return {
    topology,
    directory,
    loads: new NodeLoads(topology, now),
    intake,
    triggers,
    alarms,
    slo,
    reconsiderBy(reconsider) {
      const timer = setInterval(() => triggers.tick(reconsider), TRIGGER_EVERY_MS).unref()
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

type Gauged = Omit<TopologyParts, 'directory' | 'loads' | 'reconsiderBy' | typeof Symbol.asyncDispose>

function gauges(metrics: Metrics, parts: Gauged, now: () => number): (() => void)[] {
  const { topology, triggers, intake, alarms, slo } = parts
  return [
    metrics.gauge('bus_queue_depth', () => [
      { labels: { service: 'telemetry' }, value: intake.waiting },
      { labels: { service: 'qos' }, value: triggers.waiting },
    ]),
    metrics.gauge('lanecast_slo_burn_ratio', () =>
      slo.burns(now()).map(({ streamClass, window, burn }) => ({
        labels: { class: streamClass, window },
        value: burn,
      })),
    ),
    metrics.gauge('lanecast_alarms', () =>
      [...alarms.counts()].map(([kind, value]) => ({ labels: { kind }, value })),
    ),
    metrics.gauge('lanecast_nodes', () =>
      tally([...topology.records()], ({ entry: { role }, up }) => ({ role, state: up ? 'up' : 'down' })),
    ),
    metrics.gauge('lanecast_links', () =>
      tally([...topology.links()], ({ evidence }) => ({ standing: standingOf(evidence, now()) })),
    ),
  ]
}
