import { Router } from 'express'
import { type ApiParts, apiRouter } from '../mount.ts'
import type { Route } from '../route.ts'
import { doorCors } from './door-cors.ts'
import type { DoorTickets } from './door-tickets.ts'

/** The routes of WHIP and WHEP, guarded like the API's: to pages of any origin, and to tickets as well as tokens. */
export function doorRouter(
  { routes, tickets }: { readonly routes: readonly Route[]; readonly tickets: DoorTickets },
  parts: ApiParts,
): Router {
  const authenticator = tickets.before(parts.authenticator)
  return Router()
    .use(['/whip', '/whep'], doorCors)
    .use(apiRouter(routes, { ...parts, authenticator }))
}
