import { type RequestHandler, Router } from 'express'
import type { ApiParts } from '../api-parts.ts'
import { apiRouter } from '../mount.ts'
import type { Route } from '../route.ts'
import { doorCors } from './door-cors.ts'
import type { DoorTickets } from './door-tickets.ts'

const DOORS = ['/whip', '/whep']

/** The routes of WHIP and WHEP, guarded like the API. They also answer pages of any origin, and take tickets. */
export function doorRouter(
  { routes, tickets }: { readonly routes: readonly Route[]; readonly tickets: DoorTickets },
  parts: ApiParts,
): Router {
  const authenticator = tickets.before(parts.authenticator)
  return Router()
    .use(DOORS, doorCors)
    .use(withoutLastSlash)
    .use(apiRouter(routes, { ...parts, authenticator }))
}

/**
 * People give encoders addresses that end with a slash. The slash means nothing here. A redirect would not do: many
 * clients do not follow redirects.
 */
const withoutLastSlash: RequestHandler = (request, _response, next) => {
  request.url = request.url.replace(/^(\/wh[ie]p\/[^/?]+(?:\/[^/?]+)?)\/(?=\?|$)/, '$1')
  next()
}
