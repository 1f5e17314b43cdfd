import { randomBytes } from 'node:crypto'
import { messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { ChildWatch } from '../common/supervision/child-watch.ts'
import { AuditBursts } from './audit/audit-bursts.ts'
import type { AuditDraft } from './audit/audit-record.ts'
import type { Config } from './config/config.ts'
import type { TenantFacts } from './facts/fact.ts'
import type { MediaAddresses } from './media-addresses/media-addresses.ts'
import type { Metrics } from './metrics.ts'
import { EmbeddedRelay } from './relays/embedded-relay.ts'
import { EnrolledRelays } from './relays/enrolled-relays.ts'
import { ProbedRelay } from './relays/probed-relay.ts'
import { type Relay, RelayBook } from './relays/relay-book.ts'
import { TurnEvents } from './relays/turn-events.ts'
import { coturnNodeOf, coturnUrlsOf, turnSecretFileOf } from './relays/turn-place.ts'
import { relaySecretOf, secretFrom, secretInEnvironment } from './relays/turn-secret.ts'
import type { Tls } from './tls/open-tls.ts'
import type { TakeTurn } from './tls/turn-on-https.ts'
import type { TopologyParts } from './topology/open-topology.ts'

/** How often the start of the TURN process is tried again where a name has no address, ms. */
const BEGIN_AGAIN_MS = 5000

export interface RelayRoomOptions {
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  readonly overlay: Pick<TopologyParts, 'topology' | 'alarms'>
  readonly addresses: MediaAddresses
  readonly metrics: Metrics
  readonly facts: Pick<TenantFacts, 'tell'>
  /** Puts a record on the audit trail; neither waits nor throws. */
  readonly audit: (draft: AuditDraft) => void
  readonly logger: Logger
}

/** The TURN relays of this hub: the one beside it, and those of its configuration. */
export interface RelayRoom extends AsyncDisposable {
  readonly book: RelayBook
  /**
   * Starts the hub's own TURN process, if it has one. Never throws: the hub works without.
   * @param tls of its TLS listener
   * @param httpPort of the hub, which takes TURN where it has TLS
   */
  begin(tls: Tls | null, httpPort: number): void
  /** Takes a connection on the port of HTTPS that speaks TURN; null where this hub has no TURN process. */
  readonly take: TakeTurn | null
}

/** @throws CodedError `bad_config` where a secret is missing */
export function openRelays(options: RelayRoomOptions): RelayRoom {
  const { config, env, overlay, addresses, metrics } = options
  const { topology } = overlay
  const stack = new AsyncDisposableStack()
  const embedded = config.turnMode === 'embedded' ? stack.use(openEmbedded(options)) : null
  const relays: Relay[] = embedded ? [embedded.relay] : []
  if (config.turnMode === 'coturn') relays.push(stack.use(coturnBeside(config, addresses, topology)))
  for (const { node_id: nodeId, urls, region = null, secret_file, secret_env = '' } of config.relays) {
    const secret =
      secret_file === undefined ? secretInEnvironment(secret_env, env) : secretFrom(secret_file, false)
    relays.push(stack.use(new ProbedRelay({ nodeId, urls, region, secret, topology })))
  }
  const enrolled = stack.use(enrolledRelays(options, new Set(relays.map(({ nodeId }) => nodeId))))
  if (embedded)
    stack.defer(metrics.gauge('turn_allocations', () => [{ labels: {}, value: embedded.relay.allocations }]))
  return {
    book: new RelayBook(() => [...relays, ...enrolled.relays]),
    begin: (tls, httpPort) => embedded?.begin(tls, httpPort),
    take: embedded && ((socket, first) => embedded.relay.take(socket, first)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function coturnBeside(
  config: Config,
  { announced }: MediaAddresses,
  topology: TopologyParts['topology'],
): ProbedRelay {
  return new ProbedRelay({
    nodeId: coturnNodeOf(config),
    urls: coturnUrlsOf(config, announced.rtc),
    secret: secretFrom(turnSecretFileOf(config), true),
    region: null,
    topology,
  })
}

/** Each has a secret of its own, made from the hub's, which is read when the first of them enrols. */
function enrolledRelays(
  { config, overlay: { topology }, metrics, logger }: RelayRoomOptions,
  known: ReadonlySet<string>,
): EnrolledRelays {
  return new EnrolledRelays({
    topology,
    known,
    secretOf: (nodeId) => relaySecretOf(secretFrom(turnSecretFileOf(config), true), nodeId),
    failed: (error) => {
      metrics.errors.inc({ stage: 'turn', kind: 'enrolled_relay' })
      logger.error({ err: error }, `a relay of the directory can't be used: ${messageOf(error)}`)
    },
  })
}

function openEmbedded({
  config,
  overlay: { alarms },
  addresses,
  metrics,
  facts,
  audit,
  logger,
}: RelayRoomOptions) {
  const stack = new AsyncDisposableStack()
  const failed = (error: unknown) => {
    metrics.errors.inc({ stage: 'audit', kind: 'write' })
    logger.error({ err: error }, messageOf(error))
  }
  const bursts = stack.use(new AuditBursts({ write: async (draft) => audit(draft), failed }))
  const events = new TurnEvents({
    metrics,
    facts,
    alarms,
    audit: (draft) => void bursts.note(draft, false).catch(failed),
    logger,
  })
  const watch = stack.use(new ChildWatch())
  const relay = stack.use(
    new EmbeddedRelay({ config, addresses, secret: randomBytes(32).toString('base64url'), watch, events }),
  )
  let again: NodeJS.Timeout | undefined
  stack.defer(() => clearTimeout(again))
  let before = addresses.announced.rtc
  const begin = (tls: Tls | null, httpPort: number) => {
    stack.defer(
      addresses.onChange(() => {
        // Running allocations are of no use any more: their clients have the address before.
        if (addresses.announced.rtc !== before) start(tls, httpPort)
      }),
    )
    start(tls, httpPort)
  }
  const start = (tls: Tls | null, httpPort: number) => {
    before = addresses.announced.rtc
    clearTimeout(again)
    relay.begin(tls, httpPort).catch((error: unknown) => {
      events.trouble('failed', messageOf(error), false)
      again = setTimeout(() => start(tls, httpPort), BEGIN_AGAIN_MS)
    })
  }
  return { relay, begin, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}
