import type { Config } from './config/config.ts'
import { ProbedRelay } from './relays/probed-relay.ts'
import { type Relay, RelayBook } from './relays/relay-book.ts'
import { coturnNodeOf, turnHostOf, turnSecretFileOf } from './relays/turn-place.ts'
import { secretFrom, secretInEnvironment } from './relays/turn-secret.ts'
import { turnUrls } from './relays/turn-urls.ts'
import type { Topology } from './topology/graph.ts'

export interface RelayRoomOptions {
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  readonly topology: Topology
}

/** The TURN relays of this hub: the one beside it, and those of its configuration. */
export interface RelayRoom extends AsyncDisposable {
  readonly book: RelayBook
}

/** @throws CodedError `bad_config` where a secret is missing */
export function openRelays({ config, env, topology }: RelayRoomOptions): RelayRoom {
  const stack = new AsyncDisposableStack()
  const relays: Relay[] = []
  if (config.turnMode === 'coturn') {
    const { turnPort: port, turnTlsPort: tls } = config
    relays.push(
      stack.use(
        new ProbedRelay({
          nodeId: coturnNodeOf(config),
          urls: turnUrls(turnHostOf(config), { udp: port, tcp: port, tls: tls === 0 ? null : tls }),
          secret: secretFrom(turnSecretFileOf(config), true),
          region: null,
          topology,
        }),
      ),
    )
  }
  for (const { node_id: nodeId, urls, region = null, secret_file, secret_env = '' } of config.relays) {
    const secret =
      secret_file === undefined ? secretInEnvironment(secret_env, env) : secretFrom(secret_file, false)
    relays.push(stack.use(new ProbedRelay({ nodeId, urls, region, secret, topology })))
  }
  return { book: new RelayBook(relays), [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
