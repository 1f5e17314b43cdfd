import type { RequestHandler } from 'express'

const EXPOSED = 'Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, WWW-Authenticate'

/**
 * Pages of any origin may publish and watch: what lets them in is their bearer token, which no browser sends by itself
 * (RFC 9725 section 4.7, Fetch standard).
 */
export const doorCors: RequestHandler = (request, response, next) => {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-expose-headers', EXPOSED)
  if (request.method === 'OPTIONS') {
    response.setHeader('access-control-allow-methods', 'POST, PATCH, DELETE, OPTIONS')
    response.setHeader('access-control-allow-headers', 'Authorization, Content-Type, If-Match')
    response.setHeader('access-control-max-age', '86400')
    response.setHeader('accept-post', 'application/sdp')
    response.setHeader('accept-patch', 'application/trickle-ice-sdpfrag')
  }
  next()
}
