import type { RequestHandler } from 'express'
import { z } from 'zod'
import { defineRoute, Reply, type Route } from '../route.ts'

const EXPOSED = 'Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate'

/**
 * Pages of any origin may publish and watch: their bearer token lets them in, and no browser sends that token by itself
 * (RFC 9725 section 4.7, Fetch standard).
 */
export const doorCors: RequestHandler = (_request, response, next) => {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-expose-headers', EXPOSED)
  next()
}

/** Answers to browsers that ask before they send, at the addresses of offers and of sessions. */
export function preflightRoutes(door: 'whip' | 'whep'): Route[] {
  return [
    preflightRoute(door, `/${door}/{stream_id}`, ['OPTIONS', 'POST']),
    preflightRoute(door, `/${door}/{stream_id}/{session_id}`, ['DELETE', 'OPTIONS', 'PATCH']),
  ]
}

function preflightRoute(door: string, path: string, methods: readonly string[]): Route {
  const headers = {
    Allow: { description: 'Methods there are here.', example: methods.join(', ') },
    'Access-Control-Allow-Methods': {
      description: 'Methods that pages may use at this door.',
      example: 'POST, PATCH, DELETE, OPTIONS',
    },
    'Access-Control-Allow-Headers': {
      description: 'Headers that pages may send.',
      example: 'Authorization, Content-Type, If-Match',
    },
    'Access-Control-Max-Age': { description: 'How long that holds, seconds.', example: '86400' },
    'Accept-Post': { description: 'RFC 9725 section 4.2.', example: 'application/sdp' },
    'Accept-Patch': { description: 'RFC 5789.', example: 'application/trickle-ice-sdpfrag' },
  } as const
  const answer = Object.entries(headers).map(([name, { example }]) => [name.toLowerCase(), example])
  // The request itself tells a page what is wrong with its address. A refusal here would keep it from being sent.
  const names = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => [name, z.string()])
  return defineRoute({
    method: 'options',
    path,
    summary: `Ask what may be sent to ${door.toUpperCase()}`,
    description: 'CORS: pages of any origin may ask, with a token.',
    action: null,
    anyOrigin: true,
    cost: 'read',
    params: z.strictObject(Object.fromEntries(names)),
    query: z.looseObject({}),
    answer: { status: 204, headers },
    handle: () => new Reply(undefined, Object.fromEntries(answer)),
  })
}
