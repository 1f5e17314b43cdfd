import { ClockWatch, SYSTEM_CLOCK } from '../common/clock.ts'
import { type Logger, levelOf, setLogLevel } from '../common/logger.ts'
import { pause } from '../common/retry.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { ViewerMover } from '../sfu/viewer-mover.ts'
import type { WorkerPool } from '../sfu/worker-pool.ts'
import { YamlParser } from './api/yaml-parser.ts'
import { apiOf } from './api-room.ts'
import { auditFacts } from './audit/audit-facts.ts'
import { LateAudit } from './audit/late-audit.ts'
import type { FirstAdminToken } from './auth/admin-token.ts'
import { openBacklog } from './backlog/open-backlog.ts'
import type { Config } from './config/config.ts'
import { ConfigReload, type Reloadable } from './config/config-reload.ts'
import { ConnectionBounds } from './connection-bounds.ts'
import { Descriptors } from './descriptors.ts'
import { openDoors } from './door-room.ts'
import { Doors } from './doors.ts'
import type { FactBody } from './facts/fact.ts'
import type { FactBus } from './facts/fact-bus.ts'
import { type FlowRoom, openFlowRoom } from './flow-room.ts'
import { reconsider } from './flows/reconsider.ts'
import type { StandingSubscriptions } from './flows/standing-subscriptions.ts'
import { boundByPolicy } from './flows/viewer-bounds.ts'
import { Health } from './health.ts'
import { httpApp } from './http-app.ts'
import { HubLoad } from './hub-load.ts'
import { joinTopology } from './join-topology.ts'
import { httpServer, listen, metricsServer, takeUpgrades } from './listeners.ts'
import type { MediaAddresses } from './media-addresses/media-addresses.ts'
import type { MediaRoom } from './media-room.ts'
import { type Metrics, tally } from './metrics.ts'
import { openNodes } from './node-room.ts'
import { openPrograms } from './program-room.ts'
import { openRelays } from './relay-room.ts'
import { openArchiver, type State } from './state.ts'
import type { StateRooms } from './state-rooms.ts'
import { StoreWatch } from './store/store-watch.ts'
import { openAcme } from './tls/acme/open-acme.ts'
import { authorityPin } from './tls/authority-pin.ts'
import { daysLeft } from './tls/days-left.ts'
import { reloadableTls, tlsFor } from './tls/open-tls.ts'
import { openTopology, type TopologyParts } from './topology/open-topology.ts'
import { webhookFacts } from './webhooks/webhook-facts.ts'

/** What a hub has before its other rooms. */
export interface HubGround {
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  readonly logger: Logger
  readonly metrics: Metrics
  readonly facts: FactBus<FactBody>
  readonly events: MediaEvents
  readonly state: State
  readonly media: MediaRoom
  readonly addresses: MediaAddresses
  readonly stateRooms: StateRooms
}

export interface HubRooms {
  /** Where HTTP listens, for instance `http://127.0.0.1:9415`. */
  readonly url: string
  readonly metricsUrl: string
  readonly workers: WorkerPool
  /** For the hub's own programs, which take streams by subscriptions that stand. */
  readonly subscriptions: StandingSubscriptions
  /** Set only at the very first start: print it once. */
  readonly firstAdminToken: FirstAdminToken | undefined
  /** Reads the configuration again and puts it in force, all of it or nothing. Never rejects: it says what came of it. */
  reload(read: () => Config): Promise<void>
  /** Takes nothing new. Resolves when nothing runs any more, after `ms`, or when `signal` aborts. */
  drain(ms: number, signal: AbortSignal): Promise<void>
}

/** How often a draining hub looks whether it is idle, ms. */
const LOOK_AGAIN_MS = 100

/** Opens the rooms of a hub that has its memory and its media workers, listeners last. `stack` closes them. */
export async function openRooms(
  { config, env, logger, metrics, facts, events, state, media, addresses, stateRooms }: HubGround,
  stack: AsyncDisposableStack,
): Promise<HubRooms> {
  const doors = new Doors()
  const { hubId, maxConnections, trustedProxies } = config
  const { store } = state
  const { auth, policies, tenants, webhooks, slates, releases, releaseFiles, refreshMs } = stateRooms
  const { workers, cpu, placement, streams } = media
  metrics.gauge('overlay_sessions_active', () => [{ labels: {}, value: doors.connections }])
  metrics.gauge('lanecast_streams', () => tally(streams.list(), ({ state: { state } }) => ({ state })))
  stack.use(openArchiver(config, state, logger, (error) => events.error('audit', 'archive', error)))
  stack.use(webhookFacts(facts, webhooks))
  const lateAudit = stack.use(
    new LateAudit({
      write: (drafts) => store.write([], drafts),
      failed: (error) => events.error('audit', 'write', error),
      lost: (count) => events.error('audit', 'lost', new Error(`${count} records were given up`)),
    }),
  )
  stack.use(auditFacts(facts, (draft) => lateAudit.record(draft)))
  const overlay = stack.use(
    await openTopology({
      store,
      metrics,
      logger,
      refreshMs,
      facts,
      hubId,
      streamClass: (tenantId, streamId) => streams.get(tenantId, streamId)?.spec.streamClass,
      targetMs: (tenantId, streamClass) =>
        policies.effective(tenantId).classes[streamClass].profile.glassToGlassMs,
    }),
  )
  const storeWatch = stack.use(
    new StoreWatch({
      store,
      hubId,
      report: (failure) => {
        const name = { kind: 'store_failing', tenantId: null, subject: 'service:store' } as const
        overlay.alarms.report(name, failure !== null, failure ?? '', SYSTEM_CLOCK.steady())
      },
    }),
  )
  const place = stack.use(joinTopology(overlay.topology, config, addresses))
  const addressAlarm = () => {
    const name = { kind: 'media_address_unknown', tenantId: null, subject: 'service:media' } as const
    const { failure } = addresses
    if (failure !== null) metrics.errors.inc({ stage: 'media', kind: 'stun_unanswered' })
    overlay.alarms.report(name, failure !== null, failure ?? '', SYSTEM_CLOCK.steady())
  }
  addressAlarm()
  stack.defer(addresses.onChange(addressAlarm))
  const relays = stack.use(
    openRelays({
      config,
      env,
      overlay,
      addresses,
      metrics,
      facts,
      audit: (draft) => lateAudit.record(draft),
      logger,
    }),
  )
  const workersFull = () => placement.saturation()
  const flows = stack.use(
    await openFlowRoom({
      config,
      state,
      policies,
      overlay,
      addresses,
      facts,
      streams,
      relays: relays.book,
      events,
      logger,
      authenticator: auth.authenticator,
      connections: () => doors.inUse,
      workersFull,
    }),
  )
  const programs = stack.use(
    await openPrograms({ store, hubId, streams, flows, policies, facts, metrics, events, workersFull }),
  )
  metrics.gauge('lanecast_links_detoured', () =>
    [...flows.ways.counts()].map(([via, value]) => ({ labels: { via }, value })),
  )
  stack.use(overlay.reconsiderBy((flow, cause) => reconsider(flows.routes, flow, cause)))
  const hubLoad = stack.use(new HubLoad({ hubId, cpu, workers, streams, facts, loads: overlay.loads }))
  stack.use(
    new ClockWatch((ms) => {
      metrics.clockSteps.inc({ direction: ms > 0 ? 'forward' : 'back' })
      logger.warn(
        { step_ms: ms },
        "the machine's clock was set, or the machine slept: contracts last as long as before, and end at another time by it",
      )
      flows.clockStepped()
    }),
  )
  stack.defer(policies.onChange(({ tenantId }) => lookAgain(flows, overlay, tenantId)))
  const mover = stack.use(new ViewerMover({ placement, draining: () => place.draining }))
  const sdp = stack.use(
    openDoors({
      doors,
      flows,
      events,
      metrics,
      trustedProxies,
      policies,
      ristIp: config.ristIp,
      routerCapabilities: () => workers.rtpCapabilities,
      maxConnections,
      mover: config.moveViewers ? mover : null,
      isSwitched: (tenantId, streamId) => streams.switched(tenantId, streamId) !== undefined,
    }),
  )
  const nodes = stack.use(
    openNodes({
      state,
      authenticator: auth.authenticator,
      overlay,
      hubId,
      doors,
      facts,
      metrics,
      releases,
      events,
      refreshMs,
      maxConnections,
    }),
  )
  const descriptors = stack.use(await Descriptors.open())
  const health = stack.use(
    new Health({
      descriptors: () => descriptors.count,
      draining: () => place.draining,
      workersUp: () => workers.answering.length,
      workersWanted: workers.size,
      workerCpu: () => hubLoad.workerCpu,
      ports: () => flows.ports(),
      portsUnavailable: () => overlay.alarms.subjects('port_unavailable').length,
      connections: () => doors.inUse.used,
      maxConnections,
      storeQueue: store.queue,
      storeFailure: () => storeWatch.failure,
    }),
  )
  const closing = new AbortController()
  const api = apiOf({
    config,
    auth,
    state,
    policies,
    tenants,
    overlay,
    flows,
    programs,
    nodes,
    place,
    doors: sdp,
    webhooks,
    slates,
    backlog: await openBacklog(config, metrics, logger),
    releases,
    releaseFiles,
    metrics,
    events,
    workers: async () => media.statistics(mover),
    yaml: stack.use(new YamlParser()),
    // The listener's certificate comes later than the routes.
    authorityPin: () => authorityPin(tls?.current ?? null, auth.authorities.trusted()),
    closing: closing.signal,
  })
  const routerCapabilities = () => (workers.slots.length > 0 ? workers.rtpCapabilities : null)
  const app = httpApp({ api, health, events, trustedProxies, routerCapabilities })
  const acme = await openAcme({
    config,
    state,
    authorities: auth.authorities,
    alarm: (message) => {
      const name = { kind: 'certificate_renewal_failing', tenantId: null, subject: 'service:tls' } as const
      overlay.alarms.report(name, message !== null, message ?? '', SYSTEM_CLOCK.steady())
    },
    audit: (draft) => lateAudit.record(draft),
    failed: (kind) => metrics.errors.inc({ stage: 'tls', kind }),
    logger,
  })
  const tls = await tlsFor(config, auth.authorities, acme, logger)
  if (tls) {
    stack.use(tls)
    metrics.gauge('lanecast_certificate_expires_days', () => [{ labels: {}, value: daysLeft(tls.current) }])
  }
  const http = httpServer(app, config, tls, relays.take)
  const metricsHttp = metricsServer(metrics, events, config)
  const bounds = new ConnectionBounds({
    perAddress: config.maxConnectionsPerAddress,
    trustedProxies,
    descriptors,
    turnOut: () => doors.turnOut(),
    refused: (reason, detail) => events.rejected(null, reason, detail),
  })
  for (const server of [http, metricsHttp]) bounds.attach(server)
  takeUpgrades(http, doors)
  const url = await listen(http, config.bind, stack)
  // Closed before the listener, which waits for its WebSockets.
  stack.use(doors)
  const metricsUrl = await listen(metricsHttp, config.metrics, stack)
  const port = Number(new URL(url).port || (tls ? 443 : 80))
  await acme?.begin(stack, port)
  relays.begin(tls, port)
  stack.defer(() => closing.abort())
  const reload = stack.use(
    new ConfigReload({
      config,
      parts: [logLevelOf(logger), flows.reloadable, ...(tls ? [reloadableTls(tls)] : [])],
      audit: (draft) => lateAudit.record(draft),
      metrics,
      logger,
      now: Date.now,
    }),
  )
  return {
    url,
    metricsUrl,
    workers,
    subscriptions: flows.subscriptions,
    firstAdminToken: auth.firstAdminToken,
    async drain(ms, signal) {
      place.drain(true)
      const idle = () => doors.connections === 0 && flows.ports().taken === 0
      for (const end = performance.now() + ms; performance.now() < end && !signal.aborted && !idle(); )
        await pause(Math.min(LOOK_AGAIN_MS, end - performance.now()), signal).catch(() => {})
    },
    reload: (read) => reload.reload(read),
  }
}

/** A tenant's policy changed: running flows are held to the new policy. */
function lookAgain(
  { publishers, viewers, subscriptions, routes }: FlowRoom,
  { triggers }: TopologyParts,
  tenantId: string,
): void {
  boundByPolicy(viewers, routes.policyOf(tenantId))
  subscriptions.policyChanged(tenantId)
  for (const { contract } of publishers.list())
    if (contract.tenant_id === tenantId) triggers.request(contract.contract_id, 'policy_changed')
}

function logLevelOf(logger: Logger): Reloadable {
  return {
    settings: ['logLevel'],
    prepare: ({ logLevel }) => ({
      changes: levelOf(logger) !== logLevel,
      commit: () => setLogLevel(logger, logLevel),
    }),
  }
}
