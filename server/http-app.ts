import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import express, { type Express, type Router } from 'express'
import helmet from 'helmet'
import { CodedError } from '../common/errors.ts'
import { streamIdSchema } from '../common/wire/stream.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import { errorAnswers } from './api/error-answer.ts'
import type { Health } from './health.ts'

const PAGES = resolve(import.meta.dirname, '../web/dist')

export interface HttpAppOptions {
  /** All of `/v1`. */
  readonly api: Router
  readonly health: Health
  readonly events: MediaEvents
  /** Addresses and ranges of proxies whose headers about clients are believed. */
  readonly trustedProxies: readonly string[]
  /** What the hub's routers can forward, for the viewer page. */
  readonly routerCapabilities: () => unknown
}

/** The hub's HTTP: pages, the API, health. */
export function httpApp({
  api,
  health,
  events,
  routerCapabilities,
  trustedProxies,
}: HttpAppOptions): Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', 'strong')
  app.set('trust proxy', trustedProxies.length === 0 ? false : trustedProxies)
  app.use(
    helmet({
      strictTransportSecurity: false,
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'self'"],
          connectSrc: ["'self'", 'ws:', 'wss:'],
          imgSrc: ["'self'", 'data:'],
          mediaSrc: ["'self'", 'blob:', 'mediastream:'],
          styleSrc: ["'self'", "'unsafe-inline'"],
          objectSrc: ["'none'"],
          frameAncestors: ["'self'"],
          baseUri: ["'none'"],
        },
      },
    }),
  )

  // Only the publisher page may use them, and it says so itself.
  app.use((_request, response, next) => {
    response.set('permissions-policy', 'camera=(), microphone=(), display-capture=()')
    next()
  })
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' })
  })
  app.get('/readyz', (_request, response) => {
    const readiness = health.readiness()
    response.status(readiness.ready ? 200 : 503).json(readiness)
  })
  app.use(api)
  app.get(['/watch/:streamId', '/watch/:tenantId/:streamId'], (request, response) => {
    // Plus signs join several streams of one page.
    for (const name of Object.values(request.params).flatMap((names) => String(names).split('+'))) {
      const id = streamIdSchema.safeParse(name)
      if (!id.success) throw new CodedError('bad_stream_id', id.error.issues[0]!.message)
    }
    response.set('cache-control', 'no-cache').type('html').send(watchPage(routerCapabilities()))
  })
  app.get('/publish/:streamId', (request, response) => {
    const id = streamIdSchema.safeParse(request.params.streamId)
    if (!id.success) throw new CodedError('bad_stream_id', id.error.issues[0]!.message)
    response.set('permissions-policy', 'camera=(self), microphone=(self), display-capture=(self)')
    response.sendFile(page('publish.html'), { headers: { 'cache-control': 'no-cache' } })
  })
  app.get('/', (_request, response) => {
    response.sendFile(page('index.html'), { headers: { 'cache-control': 'no-cache' } })
  })
  app.use('/assets', express.static(join(PAGES, 'assets'), { immutable: true, maxAge: '1y', index: false }))
  app.use((request, _response, next) => {
    next(new CodedError('not_found', `there is nothing at ${request.method} ${request.path}`))
  })
  app.use(errorAnswers((code, cause) => events.error('http', code, cause)))
  return app
}

/** The viewer page with the routers' capabilities in it. `<` is escaped, so that no text can end the script element. */
function watchPage(capabilities: unknown): string {
  const json = JSON.stringify(capabilities).replaceAll('<', '\\u003c')
  return readFileSync(page('watch.html'), 'utf8').replace(
    /(<script type="application\/json" id="router-capabilities">)null(<\/script>)/,
    (_all, open: string, close: string) => open + json + close,
  )
}

function page(name: string): string {
  const path = join(PAGES, name)
  if (!existsSync(path))
    throw new CodedError('pages_missing', 'the web pages are not built: run npm run setup')
  return path
}
