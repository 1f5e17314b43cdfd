import { Router } from 'express'
import { SYSTEM_CLOCK } from '../common/clock.ts'
import type { WorkersAnswer } from '../common/wire/statistics-api.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { NODE_PATH } from '../signaling/node/node-door.ts'
import { administrationRoutes } from './api/administration.ts'
import type { ApiParts } from './api/api-parts.ts'
import { backlogRoutes } from './api/backlog/backlog-routes.ts'
import { doorRouter } from './api/doors/door-router.ts'
import { contractRoutes } from './api/flows/routes.ts'
import { drainHub } from './api/hub/drain-hub.ts'
import { listWorkers } from './api/hub/list-workers.ts'
import { metricsRoute } from './api/metrics.ts'
import { apiRouter } from './api/mount.ts'
import { programRoutes } from './api/programs/routes.ts'
import { withReference } from './api/reference.ts'
import { releaseRoutes } from './api/releases/routes.ts'
import type { Route } from './api/route.ts'
import { postTelemetry } from './api/telemetry.ts'
import { listAlarms } from './api/topology/list-alarms.ts'
import { listLinks } from './api/topology/list-links.ts'
import type { YamlParser } from './api/yaml-parser.ts'
import type { Auth } from './auth/open-auth.ts'
import { RateLimits } from './auth/rate-limits.ts'
import type { BacklogStore } from './backlog/backlog-store.ts'
import type { Config } from './config/config.ts'
import type { DoorRoom } from './door-room.ts'
import type { FlowRoom } from './flow-room.ts'
import type { HubPlace } from './join-topology.ts'
import type { Metrics } from './metrics.ts'
import type { NodeRoom } from './node-room.ts'
import { Authorizer } from './policies/authorizer.ts'
import type { PolicyBook } from './policies/policy-book.ts'
import type { ProgramRoom } from './program-room.ts'
import type { ReleaseBook } from './releases/release-book.ts'
import type { ReleaseFiles } from './releases/release-files.ts'
import type { SlatePictures } from './slates/slate-pictures.ts'
import type { State } from './state.ts'
import type { TenantBook } from './tenants/tenant-book.ts'
import { TELEMETRY_INTERVAL_MS } from './topology/graph.ts'
import type { TopologyParts } from './topology/open-topology.ts'
import type { Webhooks } from './webhooks/webhooks.ts'

const REFERENCE = { title: 'Lanecast', version: '1' } as const

export interface ApiRoomOptions {
  readonly config: Config
  readonly auth: Auth
  readonly state: State
  readonly policies: PolicyBook
  readonly tenants: TenantBook
  readonly overlay: TopologyParts
  readonly flows: FlowRoom
  readonly programs: ProgramRoom
  readonly nodes: NodeRoom
  readonly place: HubPlace
  readonly doors: DoorRoom
  /** The load of each media worker. */
  readonly workers: () => Promise<WorkersAnswer>
  readonly webhooks: Webhooks
  readonly slates: SlatePictures
  readonly backlog: BacklogStore
  readonly releases: ReleaseBook
  readonly releaseFiles: ReleaseFiles
  readonly metrics: Metrics
  readonly events: MediaEvents
  readonly yaml: YamlParser
  /** The pin of the hub's own CA, if that signed what the listener shows. */
  readonly authorityPin: () => string | null
  /** Aborted when the hub ends. */
  readonly closing: AbortSignal
}

/** All of `/v1`, and the doors of WHIP and WHEP, with the same guards. */
export function apiOf(options: ApiRoomOptions): Router {
  const { auth, state, policies, tenants, overlay, flows, place, doors, webhooks, slates, metrics, events } =
    options
  const { directory, topology, intake, alarms } = overlay
  const { programs } = options.programs
  const routes: Route[] = [
    ...contractRoutes({ ...flows.routes, programs }),
    ...programRoutes({
      ...options.programs,
      policyOf: flows.routes.policyOf,
      isCurrent: (principal) => auth.authenticator.isCurrent(principal),
    }),
    postTelemetry(intake),
    listLinks({ topology, now: SYSTEM_CLOCK.steady }),
    listAlarms({ alarms }),
    ...backlogRoutes(options.backlog, (bytes) => metrics.backlogReceived.inc(bytes)),
    ...administrationRoutes({
      store: state.store,
      auth,
      tenants,
      policies,
      directory,
      topology,
      webhooks,
      slates,
      dependants: [
        {
          what: 'flows',
          count: (tenantId) =>
            flows.publishers.list().filter(({ contract }) => contract.tenant_id === tenantId).length,
        },
        { what: 'programs', count: (tenantId) => programs.list(tenantId).length },
      ],
      field: options.nodes,
      releaseKeys: () => options.releases.keys,
      authorityPin: options.authorityPin,
      telemetryIntervalMs: TELEMETRY_INTERVAL_MS,
      controlUrl: (origin) => `${origin.replace(/^http/, 'ws')}${NODE_PATH}`,
      now: Date.now,
    }),
    ...releaseRoutes({ releases: options.releases, releaseFiles: options.releaseFiles }),
    drainHub({
      place,
      running: () => ({
        publishers: flows.publishers.list().length,
        viewers: flows.viewers.list().filter(({ connected }) => connected).length,
      }),
      audit: flows.routes.audit,
      now: Date.now,
    }),
    listWorkers({ workers: options.workers }),
    metricsRoute(metrics),
  ]
  const authorizer = new Authorizer(policies, flows.routes.policyOf)
  const parts: ApiParts = {
    authenticator: {
      isCurrent: (principal) => auth.authenticator.isCurrent(principal),
      onChange: (listener) => auth.authenticator.onChange(listener),
      async authenticate(credentials) {
        const principal = await auth.authenticator.authenticate(credentials)
        // A node that asks for anything lives.
        if (principal.node_id !== null)
          topology.seen(principal.tenant_id, principal.node_id, SYSTEM_CLOCK.steady())
        return principal
      },
    },
    limits: new RateLimits(),
    authorize: (principal, action, about) => authorizer.authorize(principal, action, about),
    yaml: options.yaml,
    closing: options.closing,
    tenantExists: (tenantId) => tenants.has(tenantId),
    onAnswered: ({ code, failed }) => {
      if (code !== null && !failed) metrics.rejected.inc({ reason: code })
    },
    onFailure: (code, cause) => events.error('http', code, cause),
  }
  return Router()
    .use(apiRouter(withReference(routes, REFERENCE, doors.routes), parts))
    .use(doorRouter(doors, parts))
}
