import { createLogger } from '../../../common/logger.ts'
import { ALARM_KINDS } from '../../../common/wire/alarm.ts'
import type { StreamClass } from '../../../common/wire/stream.ts'
import { askAcl } from '../../../policy/acl.ts'
import { contractRoutes } from '../../../server/api/flows/routes.ts'
import { drainHub } from '../../../server/api/hub/drain-hub.ts'
import { listWorkers } from '../../../server/api/hub/list-workers.ts'
import { metricsRoute } from '../../../server/api/metrics.ts'
import { programRoutes } from '../../../server/api/programs/routes.ts'
import type { Route } from '../../../server/api/route.ts'
import { postTelemetry } from '../../../server/api/telemetry.ts'
import { listAlarms } from '../../../server/api/topology/list-alarms.ts'
import { listLinks } from '../../../server/api/topology/list-links.ts'
import type { AuditDraft } from '../../../server/audit/audit-record.ts'
import { type DoorRoom, openDoors } from '../../../server/door-room.ts'
import { Doors } from '../../../server/doors.ts'
import { DecisionBook } from '../../../server/flows/decision-book.ts'
import { FlowWays } from '../../../server/flows/flow-ways.ts'
import { PublisherFlows, type PublisherMedia } from '../../../server/flows/publisher-flows.ts'
import { PublisherPlaces } from '../../../server/flows/publisher-places.ts'
import type { FlowRouteDependencies } from '../../../server/flows/route-dependencies.ts'
import { ViewerFlows } from '../../../server/flows/viewer-flows.ts'
import { joinTopology } from '../../../server/join-topology.ts'
import { Metrics } from '../../../server/metrics.ts'
import { CutRate } from '../../../server/programs/cut-rate.ts'
import { Programs } from '../../../server/programs/programs.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import { reportApplier } from '../../../server/telemetry/apply-report.ts'
import { TelemetryIntake } from '../../../server/telemetry/intake.ts'
import { AlarmBook } from '../../../server/topology/alarms.ts'
import { SloTracker } from '../../../server/topology/slo.ts'
import { PortRange } from '../../../sfu/ingress/port-range.ts'
import { StreamRegistry } from '../../../sfu/stream-registry.ts'
import { openWorkers, placementOn } from '../../support/local-workers.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { StubStreams } from '../programs/stub-streams.ts'
import type { RigParts } from './api-rig.ts'

const HUB = { hubId: 'hub', maxKbps: 0, hubOnWire: false }
const ADDRESS = '127.0.0.1'
const ADDRESSES = { announced: { rtc: ADDRESS, rist: ADDRESS }, onChange: () => () => {} }

/** Sessions of WHIP and WHEP at once. */
const MAX_SESSIONS = 40

/**
 * The hub's routes beside those of administration, over the parts of its flows and topology, with a media worker. Field
 * senders' ingress is the one thing that does not run: a contract's stream is there and waits for its sender.
 */
export async function flowRoutes() {
  const stack = new AsyncDisposableStack()
  // Refused decisions are noted as well: apart from the rest, which refusals must leave alone.
  const notes = stack.use(await openMemoryStore())
  const note = async (draft: AuditDraft) => void (await notes.write([], [draft]))
  const failures: unknown[] = []
  const { events } = recordEvents(([name, , , cause]) => {
    if (name === 'error') failures.push(cause)
  })
  const pool = stack.use(await openWorkers(1))
  // For the worker's relay process.
  const [rtpPort] = await freeUdpPorts(1)
  const streams = stack.use(
    new StreamRegistry(
      { rist: [0, 0], ristIp: '127.0.0.1', rtp: [rtpPort!, rtpPort!] },
      { placement: placementOn(pool, 1000), census: pool.census, events, logger: createLogger('fatal') },
    ),
  )
  const metrics = new Metrics()
  const opened: { publishers?: PublisherFlows; doors?: DoorRoom; programs?: Programs } = {}
  const openedAt = Date.now()
  const clock = { wall: () => openedAt, steady: () => openedAt }
  // By a clock that stands still: nobody's place is given up while a test runs.
  const viewers = stack.use(
    new ViewerFlows(
      {
        get: (tenantId, streamId) => streams.get(tenantId, streamId),
      },
      clock,
    ),
  )
  const alarms = new AlarmBook({ alarmRaised: () => {}, alarmCleared: () => {} })
  const media: PublisherMedia = {
    open: ({ contract: { tenant_id, stream_id, class: streamClass } }) =>
      void streams.open({ tenantId: tenant_id, streamId: stream_id, streamClass }),
    close: async ({ contract: { tenant_id, stream_id } }, reason) => {
      const closed = streams.close(tenant_id, stream_id)
      viewers.endAll(tenant_id, stream_id, reason)
      await closed
    },
  }
  const running = () => opened.publishers?.list() ?? []

  const routes = (parts: RigParts): Route[] => {
    const { store, sealer, policies, topology, now } = parts
    stack.use(joinTopology(topology, HUB, ADDRESSES))
    const watcher = { running: () => {}, over: () => {}, tell: () => {} }
    const publishers = stack.use(
      new PublisherFlows({
        store,
        sealer,
        hubId: HUB.hubId,
        media,
        watcher,
        onError: (error) => failures.push(error),
      }),
    )
    opened.publishers = publishers
    const policyOf = (tenantId: string) => policies.effective(tenantId)
    const ports = new PortRange(20_000, 29_999, 'rist_ports')
    const streamClass = (tenantId: string, streamId: string): StreamClass | undefined =>
      streams.get(tenantId, streamId)?.spec.streamClass
    const intake = stack.use(
      new TelemetryIntake({
        apply: reportApplier({ topology, slo: new SloTracker(() => 200), streamClass }),
        now,
        counted: () => {},
        refused: () => {},
        failed: (error) => failures.push(error),
      }),
    )
    // Without a switch process for each: every input is healthy, and a take happens at once.
    const switched = new StubStreams('healthy')
    const programs = stack.use(
      new Programs({
        store,
        hubId: HUB.hubId,
        streams: switched,
        streamIds: (tenantId) =>
          streams.list().flatMap(({ spec }) => (spec.tenantId === tenantId ? [spec.streamId] : [])),
        mayWatch: (principal, tenantId, streamId) =>
          askAcl(policyOf(tenantId).acl, { principal, action: 'subscribe', streamId }),
        workersFull: () => null,
        opened: () => {},
        closed: () => {},
        tell: () => {},
        took: () => {},
        noteRefusal: (draft) => void note(draft),
        onError: (error) => failures.push(error),
        clock,
      }),
    )
    opened.programs = programs
    const flows: FlowRouteDependencies = {
      programs,
      publishers,
      viewers,
      policyOf,
      now,
      streams,
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
        address: ADDRESS,
        takePorts: (count) => ports.take(count),
        givePorts: (given) => ports.give(given),
      },
      streamOf: (tenantId, streamId) => {
        const stream = streams.get(tenantId, streamId)
        return stream && { state: stream.state, streamClass: stream.spec.streamClass }
      },
      audit: note,
      ways: new FlowWays({ flows: publishers, changed: () => {} }),
      limits: { set: async (_viewer, _maxKbps, draft) => note(draft) },
      noteDecision: note,
      newsWaitMs: 5,
    }
    const places = stack.use(
      new PublisherPlaces({
        flows: publishers,
        findStream: (tenantId, streamId) => streams.get(tenantId, streamId),
      }),
    )
    opened.doors = stack.use(
      openDoors({
        flows: { routes: flows, viewers, publishers, places },
        events,
        maxConnections: MAX_SESSIONS,
        metrics,
        ristIp: '127.0.0.1',
        trustedProxies: [],
        policies,
        connectWithinMs: 600_000,
        mover: null,
        doors: stack.use(new Doors()),
        routerCapabilities: () => pool.slots[0]!.router.rtpCapabilities,
      }),
    )
    return [
      ...contractRoutes(flows),
      ...programRoutes({ programs, rate: new CutRate(), policyOf, isCurrent: () => true }),
      postTelemetry(intake),
      listLinks({ topology, now }),
      listAlarms({ alarms }),
      drainHub({
        // What is asked for is noted and not done: everything else would be refused from then on.
        place: { draining: false, drain: () => {} },
        running: () => ({ publishers: 0, viewers: 0 }),
        audit: note,
        now,
      }),
      listWorkers({ workers: async () => ({ workers: [], size: 0, consumers_per_worker: 1000 }) }),
      metricsRoute(metrics),
    ]
  }

  return {
    routes,
    failures,
    doors: () => opened.doors!,
    dependants: [
      {
        what: 'flows',
        count: (tenantId: string) =>
          running().filter(({ contract }) => contract.tenant_id === tenantId).length,
      },
      { what: 'programs', count: (tenantId: string) => opened.programs?.list(tenantId).length ?? 0 },
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
    dump: () => [
      ...[running(), viewers.list(), opened.doors?.sessions.size],
      streams.list().map(({ spec }) => spec),
      opened.programs?.list(null).map((program) => program.view()),
    ],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
