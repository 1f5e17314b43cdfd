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
  /** Of an error; null for an answer. */
  readonly code: string | null
  /** The hub failed; an error that is none of that is a refusal. */
  readonly failed: boolean
  /** From the request's head to its answer. */
  readonly ms: number
}

/** What the frame asks of other rooms. */
export interface ApiParts {
  readonly authenticator: Pick<Authenticator, 'authenticate'> &
    Partial<Pick<Authenticator, 'isCurrent' | 'onChange'>>
  readonly limits: Pick<RateLimits, 'take' | 'failedAuthentication'>
  readonly authorize: (principal: AuthenticatedPrincipal, action: Action, about: About) => Authorization
  readonly yaml: Pick<YamlParser, 'parse'>
  /** Whether there is such a tenant. */
  readonly tenantExists: (tenantId: string) => boolean
  /** The hub ends: questions that are held open are let go. */
  readonly closing?: AbortSignal
  /** Called after each answer, for metrics. */
  readonly onAnswered?: (request: AnsweredRequest) => void
  /** What failed on our side: for the log and `errors_total`. */
  readonly onFailure: (code: string, cause: unknown, requestId: string) => void
  /** Checks each answer against its schema, and fails the request where it does not fit: for tests. */
  readonly validateAnswers?: boolean
}

/**
 * An express router with all the routes. What it does not know it passes on, but for `/v1/…`, which is its own. It
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

/** OPTIONS without CORS: pages of other origins are given nothing. */
function otherMethods(routes: readonly Route[]): RequestHandler {
  const methods = routes.map(({ method }) => method.toUpperCase())
  const allow = [...new Set(['OPTIONS', ...methods, ...(methods.includes('GET') ? ['HEAD'] : [])])].sort()
  return (request, response, next) => {
    if (request.method === 'OPTIONS') return void response.writeHead(204, { allow: allow.join(', ') }).end()
    next(new ApiError(405, 'method_not_allowed', `${allow.join(', ')} can be asked here`, { allow }))
  }
}

/** What is thrown outside of a route: no such route, a path that can't be decoded. */
function failures(parts: ApiParts): ErrorRequestHandler {
  return (thrown, request, response, next) => {
    if (response.headersSent) return next(thrown)
    sendError(response, thrown, requestIdOf(request), parts.onFailure)
  }
}
