import { messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { prepareIngress } from '../sfu/ingress/ingress-supervisor.ts'
import type { Config } from './config/config.ts'
import { mediaEvents } from './events.ts'
import type { FactBody } from './facts/fact.ts'
import { FactBus } from './facts/fact-bus.ts'
import { factLines } from './facts/fact-lines.ts'
import { mediaFacts } from './facts/media-facts.ts'
import type { HubRooms } from './hub-rooms.ts'
import { MediaAddresses } from './media-addresses/media-addresses.ts'
import { openMedia } from './media-room.ts'
import { Metrics } from './metrics.ts'
import { Slates } from './slates/slates.ts'
import { openState } from './state.ts'

export interface Hub extends HubRooms, AsyncDisposable {}

/**
 * Puts the hub together and starts it. The returned hub owns everything and closes it in reverse order. Nothing half
 * started stays: when a part fails, the parts before it are closed and the error is thrown.
 */
export async function openHub(config: Config, env: NodeJS.ProcessEnv, logger: Logger): Promise<Hub> {
  await using stack = new AsyncDisposableStack()
  const metrics = new Metrics()
  const facts = openFacts(metrics, logger)
  stack.use(factLines(facts, metrics, logger))
  const events = mediaFacts(mediaEvents(metrics, logger), facts)
  const addresses = stack.use(await MediaAddresses.open({ config, logger }))
  const opensState = openState(config, env, logger).then((opened) => stack.use(opened))
  const opensRooms = Promise.all([opensState, import('./state-rooms.ts')]).then(
    ([state, { openStateRooms }]) => openStateRooms(config, state, logger, stack),
  )
  const slates = stack.use(
    new Slates({
      pictureOf: async (tenantId) => (await opensRooms).slates.pictureOf(tenantId),
      plain: (because, reason) => events.error('slate', because, new Error(`a slate is plain: ${reason}`)),
      logger,
    }),
  )
  // Half of the hub's modules are loaded while the media workers and the database's thread start on the other cores.
  const [media, state, stateRooms, { openRooms }] = await allOrNone([
    openMedia(config, addresses, slates, events, logger).then((opened) => stack.use(opened)),
    opensState,
    opensRooms,
    import('./hub-rooms.ts'),
    prepareIngress(),
  ])
  stack.defer(stateRooms.slates.onChange((tenantId) => void slates.pictureChanged(tenantId)))
  const ground = { config, env, logger, metrics, facts, events, state, media, addresses, stateRooms }
  const rooms = await openRooms(ground, stack)
  const owned = stack.move()
  return { ...rooms, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** As `Promise.all`. A failure waits for the others, so that what they open is on the stack before the stack closes. */
async function allOrNone<T extends readonly unknown[]>(opening: T) {
  await Promise.allSettled(opening)
  return await Promise.all(opening)
}

/** The bus on which rooms tell facts. A listener that misses facts, or fails, is counted and logged. */
function openFacts(metrics: Metrics, logger: Logger): FactBus<FactBody> {
  const facts = new FactBus<FactBody>({
    missed(listener, tenant_id, { count, from }) {
      metrics.factsMissed.inc({ listener }, count)
      logger.warn({ listener, tenant_id, count, from }, `${listener} was too slow and missed ${count} facts`)
    },
    failed(listener, error) {
      metrics.errors.inc({ stage: 'facts', kind: listener })
      logger.error({ listener, err: error }, messageOf(error))
    },
  })
  metrics.gauge('bus_queue_depth', () =>
    Array.from(facts.waiting(), ([service, value]) => ({ labels: { service }, value })),
  )
  return facts
}
