import { ALARM_KINDS } from '../../../common/wire/alarm.ts'
import type { StreamClass } from '../../../common/wire/stream.ts'
import type { RunningStream } from '../../../server/api/flows/deps.ts'
import { contractRoutes } from '../../../server/api/flows/routes.ts'
import { drainHub } from '../../../server/api/hub/drain-hub.ts'
import { listWorkers } from '../../../server/api/hub/list-workers.ts'
import { metricsRoute } from '../../../server/api/metrics.ts'
import type { Route } from '../../../server/api/route.ts'
import { postTelemetry } from '../../../server/api/telemetry.ts'
import { listAlarms } from '../../../server/api/topology/list-alarms.ts'
import { listLinks } from '../../../server/api/topology/list-links.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import { DecisionBook } from '../../../server/flows/decision-book.ts'
import { PublisherFlows, type PublisherMedia } from '../../../server/flows/publisher-flows.ts'
import { ViewerFlows } from '../../../server/flows/viewer-flows.ts'
import { joinTopology } from '../../../server/join-topology.ts'
import { Metrics } from '../../../server/metrics.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { reportApplier } from '../../../server/telemetry/apply-report.ts'
import { TelemetryIntake } from '../../../server/telemetry/intake.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { PortRange } from '../../../sfu/ingress/port-range.ts'
import type { RigParts } from './api-rig.ts'

const HUB = {
  hubId: 'hub',
  ristIp: '127.0.0.1',
  ristAnnounced: '',
  rtcIp: '127.0.0.1',
  rtcAnnounced: '',
  maxKbps: 0,
}

/**
 * The hub's routes beside those of administration, over the parts of its flows and topology. Media is the one thing
 * that does not run: a contract's stream is there and waits for its sender.
 */
export async function flowRoutes() {
  const stack = new AsyncDisposableStack()
  // Refused decisions are noted as well: apart from the rest, which refusals must leave alone.
  const notes = stack.use(await openMemoryStore())
  const note = async (draft: AuditDraft) => void (await notes.write([], [draft]))
  const streams = new Map<string, RunningStream>()
  const failures: unknown[] = []
  const metrics = new Metrics({ sessions: () => 0, streamsByState: () => ({}) })
  const openedAt = Date.now()
  // By a clock that stands: nobody's place is given up while a test runs.
  const viewers = stack.use(
    new ViewerFlows(
      () => undefined,
      () => openedAt,
    ),
  )
  const alarms = new AlarmBook({ alarmRaised: () => {}, alarmCleared: () => {} })
  const media: PublisherMedia = {
    open: ({ contract: { tenant_id, stream_id, class: streamClass } }) => {
      const spec = { tenantId: tenant_id, streamId: stream_id, streamClass }
      streams.set(`${tenant_id}/${stream_id}`, {
        spec,
        viewers: 0,
        state: { state: 'waiting' },
        statistics: async () => ({
          worker: null,
          piped_to: 0,
          wanted: { video: [true], audio: true },
          tracks: [],
        }),
      })
    },
    close: async ({ contract: { tenant_id, stream_id } }, reason) => {
      streams.delete(`${tenant_id}/${stream_id}`)
      viewers.endAll(tenant_id, stream_id, reason)
    },
  }
  const opened: { publishers?: PublisherFlows } = {}
  const running = () => opened.publishers?.list() ?? []

  const routes = (parts: RigParts): Route[] => {
    const { store, sealer, policies, topology, now } = parts
    stack.use(joinTopology(topology, HUB))
    const watcher = { running: () => {}, over: () => {} }
    const publishers = stack.use(
      new PublisherFlows({
        ...{ store, sealer, hubId: HUB.hubId, media, watcher },
        onError: (error) => failures.push(error),
      }),
    )
    opened.publishers = publishers
    const policyOf = (tenantId: string) => policies.effective(tenantId)
    const ports = new PortRange(20_000, 29_999, 'rist_ports')
    const streamOf = (tenantId: string, streamId: string) => streams.get(`${tenantId}/${streamId}`)
    const streamClass = (tenantId: string, streamId: string): StreamClass | undefined =>
      streamOf(tenantId, streamId)?.spec.streamClass
    const intake = stack.use(
      new TelemetryIntake({
        apply: reportApplier({ topology, slo: new SloTracker(() => 200), streamClass }),
        now,
        counted: () => {},
        refused: () => {},
        failed: (error) => failures.push(error),
      }),
    )
    return [
      ...contractRoutes({
        ...{ publishers, viewers, policyOf, now },
        decisions: new DecisionBook({
          hubId: HUB.hubId,
          topology: topology.snapshot,
          policyOf,
          publishers,
          viewers,
          workersFull: () => null,
        }),
        door: {
          nodeId: HUB.hubId,
          address: HUB.ristIp,
          takePorts: (count) => ports.take(count),
          givePorts: (given) => ports.give(given),
        },
        streams: { get: streamOf, list: () => [...streams.values()] },
        streamOf: (tenantId, streamId) => {
          const stream = streamOf(tenantId, streamId)
          return stream && { state: stream.state, streamClass: stream.spec.streamClass }
        },
        audit: note,
        newsWaitMs: 5,
      }),
      postTelemetry(intake),
      listLinks({ topology, now }),
      listAlarms({ alarms }),
      drainHub({
        // What is asked for is noted and not done: everything else would be refused from then on.
        place: { draining: false, drain: () => {} },
        running: () => ({ publishers: 0, viewers: 0 }),
        ...{ audit: note, now },
      }),
      listWorkers({ workers: async () => ({ workers: [], size: 0, consumers_per_worker: 1000 }) }),
      metricsRoute(metrics),
    ]
  }

  return {
    ...{ routes, failures },
    dependants: [
      {
        what: 'flows',
        count: (tenantId: string) =>
          running().filter(({ contract }) => contract.tenant_id === tenantId).length,
      },
    ],
    /** An alarm of every kind. */
    alarm: (tenantId: string, now: number) => {
      for (const kind of ALARM_KINDS)
        for (const at of [now - 60_000, now])
          alarms.report({ kind, tenantId, subject: `node:edge-of-${tenantId}` }, true, 'it is so', at)
    },
    /** Ids of the contracts that run, of senders and of viewers. */
    contractIds: (tenantId: string): string[] => [
      ...running().flatMap(({ contract }) => (contract.tenant_id === tenantId ? [contract.contract_id] : [])),
      ...viewers.list().flatMap((viewer) => (viewer.tenantId === tenantId ? [viewer.contractId] : [])),
    ],
    /** What runs, for comparing. */
    dump: () => [running(), viewers.list(), [...streams.values()]],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
