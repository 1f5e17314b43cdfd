import { type ErrorRequestHandler, type RequestHandler, Router } from 'express'
import type { Action } from '../../common/wire/ids.ts'
import type { Authenticator } from '../auth/authenticate.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import type { RateLimits } from '../auth/rate-limits.ts'
import type { About, Authorization } from '../policies/authorizer.ts'
import { ApiError, notFound } from './api-error.ts'
import { sendError } from './error-answer.ts'
import type { Route } from './route.ts'
import { requestIdOf, serveRoute } from './serve-route.ts'
import type { YamlParser } from './yaml-parser.ts'

/** One request, answered. */
export interface AnsweredRequest {
  readonly route: Route
  readonly requestId: string
  readonly status: number
  /** The error's code; null for an answer without error. */
  readonly code: string | null
  /** The hub failed. An error with `failed` false is a refusal. */
  readonly failed: boolean
  /** Time from the request's head to its answer. */
  readonly ms: number
}

/** What the frame needs of other rooms. */
export interface ApiParts {
  readonly authenticator: Pick<Authenticator, 'authenticate'> &
    Partial<Pick<Authenticator, 'isCurrent' | 'onChange'>>
  readonly limits: Pick<RateLimits, 'take' | 'failedAuthentication'>
  readonly authorize: (principal: AuthenticatedPrincipal, action: Action, about: About) => Authorization
  readonly yaml: Pick<YamlParser, 'parse'>
  /** Whether there is such a tenant. */
  readonly tenantExists: (tenantId: string) => boolean
  /** The hub ends: held questions are answered. */
  readonly closing?: AbortSignal
  /** Called after each answer, for metrics. */
  readonly onAnswered?: (request: AnsweredRequest) => void
  /** The hub failed at a request: for the log and `errors_total`. */
  readonly onFailure: (code: string, cause: unknown, requestId: string) => void
  /** For tests: checks each answer against its schema, and fails the request if the answer does not fit. */
  readonly validateAnswers?: boolean
}

/**
 * An express router with all routes. It passes on unknown paths, except below `/v1/…`, which belongs to the router. It
 * answers its errors itself.
 */
export function apiRouter(routes: readonly Route[], parts: ApiParts): Router {
  const router = Router({ caseSensitive: true, strict: true })
  for (const [path, ofPath] of Map.groupBy(routes, (route) => expressPath(route.path))) {
    const place = router.route(path)
    for (const route of ofPath) place[route.method](serveRoute(route, parts))
    place.all(otherMethods(ofPath))
  }
  router.use('/v1', (_request, _response, next) => next(notFound('route')))
  router.use(failures(parts))
  return router
}

function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

/** OPTIONS without CORS: pages of other origins get nothing. */
function otherMethods(routes: readonly Route[]): RequestHandler {
  const methods = routes.map(({ method }) => method.toUpperCase())
  const allow = [...new Set(['OPTIONS', ...methods, ...(methods.includes('GET') ? ['HEAD'] : [])])].sort()
  return (request, response, next) => {
    if (request.method === 'OPTIONS') return void response.writeHead(204, { allow: allow.join(', ') }).end()
    next(new ApiError(405, 'method_not_allowed', `${allow.join(', ')} can be asked here`, { allow }))
  }
}

/** Errors thrown outside of a route: an unknown route, a path that can't be decoded. */
function failures(parts: ApiParts): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    if (response.headersSent) return next(thrown)
    sendError(response, thrown, requestIdOf(request), parts.onFailure)
  }
}
