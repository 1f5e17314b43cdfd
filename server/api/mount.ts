import { type RequestHandler, Router } from 'express'
import { CodedError } from '../../common/errors.ts'
import type { ApiParts } from './api-parts.ts'
import { errorAnswers } from './error-answer.ts'
import { notFound } from './refusals.ts'
import type { Route } from './route.ts'
import { serveRoute } from './serve-route.ts'

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
  // Errors thrown outside of a route: an unknown route, a path that can't be decoded.
  router.use(errorAnswers(parts.onFailure))
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
    next(new CodedError('method_not_allowed', `${allow.join(', ')} is what this path takes`, { allow }))
  }
}
