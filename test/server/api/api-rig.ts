import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createLogger } from '../../../common/logger.ts'
import { administrationRoutes } from '../../../server/api/administration.ts'
import type { AdministrationParts } from '../../../server/api/administration-parts.ts'
import type { AnsweredRequest, ApiParts } from '../../../server/api/api-parts.ts'
import { doorRouter } from '../../../server/api/doors/door-router.ts'
import { apiRouter } from '../../../server/api/mount.ts'
import { withReference } from '../../../server/api/reference.ts'
import { releaseRoutes } from '../../../server/api/releases/routes.ts'
import type { Route } from '../../../server/api/route.ts'
import { YamlParser } from '../../../server/api/yaml-parser.ts'
import { openAuth } from '../../../server/auth/open-auth.ts'
import { type RateLimitOptions, RateLimits } from '../../../server/auth/rate-limits.ts'
import type { DoorRoom } from '../../../server/door-room.ts'
import { CommandQueue } from '../../../server/nodes/command-queue.ts'
import { NodeConfigs } from '../../../server/nodes/node-configs.ts'
import { Authorizer } from '../../../server/policies/authorizer.ts'
import { PolicyBook } from '../../../server/policies/policy-book.ts'
import { ReleaseBook } from '../../../server/releases/release-book.ts'
import { ReleaseFiles } from '../../../server/releases/release-files.ts'
import { SlatePictures } from '../../../server/slates/slate-pictures.ts'
import { ephemeralKeyring } from '../../../server/store/keyring.ts'
import { Sealer } from '../../../server/store/sealing.ts'
import { openMemoryStore } from '../../../server/store/sqlite-store.ts'
import type { Store } from '../../../server/store/store.ts'
import { TenantBook } from '../../../server/tenants/tenant-book.ts'
import { Topology } from '../../../server/topology/graph.ts'
import { NodeDirectory } from '../../../server/topology/node-directory.ts'
import { Webhooks } from '../../../server/webhooks/webhooks.ts'

/** No test of another thing runs into the limits. */
const GENEROUS = { points: 1_000_000, seconds: 60 }

/** Parts of routes beside those of administration. */
export interface RigParts extends AdministrationParts {
  readonly store: Store
  readonly sealer: Sealer
}

export interface ApiRigOptions {
  /** Routes beside those of administration. */
  readonly routes?: (parts: RigParts) => Route[]
  /** WHIP and WHEP, after `routes` were asked for. */
  readonly doors?: () => Pick<DoorRoom, 'routes' | 'tickets'>
  /** What else keeps a tenant from being deleted. */
  readonly dependants?: AdministrationParts['dependants']
  readonly limits?: RateLimitOptions
  /** Where files of releases go; nowhere by default. */
  readonly releaseFolder?: string
  readonly parts?: Partial<ApiParts>
}

/** The API with its real store, auth, policies and directory, all in memory, on a port of its own. */
export async function apiRig(options: ApiRigOptions = {}) {
  const stack = new AsyncDisposableStack()
  const logger = createLogger('fatal')
  const now = Date.now
  const store = stack.use(await openMemoryStore())
  const sealer = new Sealer(ephemeralKeyring())
  const auth = stack.use(await openAuth({ store, sealer, dataFolder: null, logger }))
  const tenants = stack.use(await TenantBook.open({ store, now, logger }))
  const policies = stack.use(await PolicyBook.open({ store, now, logger }))
  const topology = new Topology()
  const directory = stack.use(await NodeDirectory.open({ store, topology, now, logger }))
  const webhooks = stack.use(
    await Webhooks.open({ store, sealer, hubId: 'hub-1', now, logger, allowedNetworks: ['127.0.0.0/8'] }),
  )
  const releaseFiles = new ReleaseFiles(options.releaseFolder ?? null)
  const releases = stack.use(await ReleaseBook.open({ store, files: releaseFiles, now, logger }))
  const parts: AdministrationParts = {
    store,
    auth,
    tenants,
    policies,
    directory,
    topology,
    webhooks,
    slates: new SlatePictures({ store, now }),
    field: {
      configs: new NodeConfigs({ store, sealer, now }),
      commands: new CommandQueue({ store, sealer, now }),
      devices: { get: () => undefined },
    },
    authorityPin: () => null,
    now,
    telemetryIntervalMs: 1000,
    releaseKeys: () => releases.keys,
    ...(options.dependants && { dependants: options.dependants }),
  }
  const failures: { code: string; cause: unknown }[] = []
  const answered: AnsweredRequest[] = []
  const own = [
    ...administrationRoutes(parts),
    ...releaseRoutes({ releases, releaseFiles }),
    ...(options.routes?.({ ...parts, store, sealer }) ?? []),
  ]
  const doors = options.doors?.()
  const routes = withReference(own, { title: 'Lanecast API', version: '1' }, doors?.routes)
  const authorizer = new Authorizer(policies)
  const frame: ApiParts = {
    authenticator: auth.authenticator,
    authorize: (principal, action, about) => authorizer.authorize(principal, action, about),
    yaml: stack.use(new YamlParser()),
    tenantExists: (tenantId) => tenants.has(tenantId),
    limits: new RateLimits({
      principal: GENEROUS,
      address: GENEROUS,
      failures: GENEROUS,
      ...options.limits,
    }),
    onAnswered: (request) => answered.push(request),
    onFailure: (code, cause) => failures.push({ code, cause }),
    validateAnswers: true,
    ...options.parts,
  }
  const app = express().disable('x-powered-by')
  app.use(apiRouter(routes, frame))
  if (doors) app.use(doorRouter(doors, frame))
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stack.defer(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const admin = auth.firstAdminToken!.token

  /** One request; `body` goes as JSON unless a content type is said. */
  const ask = async (
    method: string,
    path: string,
    {
      token = admin,
      body,
      headers = {},
    }: { token?: string | null; body?: unknown; headers?: Record<string, string> } = {},
  ) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(text === undefined ? {} : { body: text }),
    })
    const content = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
    return {
      status: response.status,
      headers: response.headers,
      text: content,
      json: isJson ? JSON.parse(content) : undefined,
    }
  }

  /** A JWT of somebody in a tenant, which is made where it does not exist. */
  const tokenFor = async (
    tenantId: string,
    role: 'operator' | 'director' | 'publisher' | 'viewer' | 'node',
  ) => {
    if (!tenants.has(tenantId)) await tenants.put(tenantId, { display_name: tenantId }, 'hub')
    const wanted = { subject: `${role}-of-${tenantId}`, role, tenant_id: tenantId, by: 'hub' as const }
    return (await auth.tokens.issueJwt(wanted, 3600)).token
  }

  return {
    ...parts,
    auth,
    store,
    releases,
    releaseFiles,
    url,
    failures,
    routes: [...routes, ...(doors?.routes ?? [])],
    answered,
    ask,
    tokenFor,
    adminToken: admin,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
