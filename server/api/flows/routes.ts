import type { FlowRouteDependencies } from '../../flows/route-dependencies.ts'
import type { Route } from '../route.ts'
import { decideRoute } from './decide.ts'
import { flowRoutes } from './flows.ts'
import { publishRoute } from './publish.ts'
import { rerouteRoute } from './reroute.ts'
import { statisticsRoutes } from './statistics.ts'
import { streamRoutes } from './streams.ts'
import { subscribeRoute } from './subscribe.ts'
import { takeInputRoute } from './take-input.ts'

/** Every route about contracts and streams, in the order of the reference. */
export function contractRoutes(deps: FlowRouteDependencies): Route[] {
  return [
    publishRoute(deps),
    subscribeRoute(deps),
    rerouteRoute(deps),
    decideRoute(deps),
    ...flowRoutes(deps),
    ...streamRoutes(deps),
    takeInputRoute(deps),
    ...statisticsRoutes(deps),
  ]
}
