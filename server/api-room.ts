import type { Router } from 'express'
import { askAcl } from '../policy/acl.ts'
import { mayActIn } from '../policy/tenancy.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { contractRoutes } from './api/flows/routes.ts'
import { apiRouter } from './api/mount.ts'
import type { Route } from './api/route.ts'
import type { Auth } from './auth/open-auth.ts'
import { RateLimits } from './auth/rate-limits.ts'
import type { Config } from './config/config.ts'
import type { FlowRoom } from './flow-room.ts'
import type { Metrics } from './metrics.ts'
import type { OverlayRoom } from './overlay-room.ts'
import type { PolicyBook } from './policies/policy-book.ts'
import type { State } from './state.ts'
import type { TenantBook } from './tenants/tenant-book.ts'

export interface ApiRoomOptions {
  readonly config: Config
  readonly auth: Auth
  readonly state: State
  readonly policies: PolicyBook
  readonly tenants: TenantBook
  readonly overlay: OverlayRoom
  readonly flows: FlowRoom
  readonly metrics: Metrics
  readonly events: MediaEvents
}

/** All of `/v1`, guarded. */
export function apiOf({ auth, tenants, flows, metrics, events }: ApiRoomOptions): Router {
  const routes: Route[] = [...contractRoutes(flows.routes)]
  return apiRouter(routes, {
    authenticator: auth.authenticator,
    limits: new RateLimits(),
    authorize: (principal, action, { tenantId, streamId }) => {
      if (!mayActIn(principal, tenantId))
        return { allow: false, rule: 'tenancy', reason: 'nobody acts in a tenant of others' }
      const { allowed, rule, reason } = askAcl(flows.routes.policyOf(tenantId).acl, {
        principal,
        action,
        streamId,
      })
      return { allow: allowed, rule, reason }
    },
    tenantExists: (tenantId) => tenants.has(tenantId),
    onAnswered: ({ code, status }) => {
      if (code !== null && status < 500) metrics.rejected.inc({ reason: code })
    },
    onFailure: (code, cause) => events.error('http', code, cause),
  })
}
