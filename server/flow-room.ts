import { isDeepStrictEqual } from 'node:util'
import { SYSTEM_CLOCK } from '../common/clock.ts'
import { CodedError, messageOf } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { DEFAULT_TENANT } from '../common/wire/stream.ts'
import type { Saturation } from '../policy/capacity.ts'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { StreamRegistry } from '../sfu/stream-registry.ts'
import { isFailure } from './api/error-answer.ts'
import { AuditBursts } from './audit/audit-bursts.ts'
import type { AuditDraft } from './audit/audit-record.ts'
import type { Authenticator } from './auth/authenticate.ts'
import type { Config } from './config/config.ts'
import type { Reloadable } from './config/config-reload.ts'
import type { TenantFact, TenantFacts } from './facts/fact.ts'
import { askAgainForCodecs, type KnownInputs } from './flows/asked-codec.ts'
import { DecisionBook } from './flows/decision-book.ts'
import { FlowWays } from './flows/flow-ways.ts'
import { hubMedia } from './flows/hub-media.ts'
import { HubPolicies, type HubRules } from './flows/hub-policy.ts'
import type { PublishDoor } from './flows/publish.ts'
import { ownerOf, USUAL_PRIORITY } from './flows/publisher-flow.ts'
import { type FlowWatcher, PublisherFlows } from './flows/publisher-flows.ts'
import { PublisherPlaces } from './flows/publisher-places.ts'
import { watchedOf } from './flows/reconsider.ts'
import { RevocationWatch } from './flows/revocation-watch.ts'
import type { FlowRouteDependencies } from './flows/route-dependencies.ts'
import {
  changedStreams,
  publicStreamsRule,
  STANDING_PRINCIPAL,
  type StandingListener,
  StandingStreams,
} from './flows/standing-streams.ts'
import { StandingSubscriptions } from './flows/standing-subscriptions.ts'
import { SwitchedLanes } from './flows/switched-lanes.ts'
import { ViewerFlows } from './flows/viewer-flows.ts'
import { ViewerLimits } from './flows/viewer-limits.ts'
import type { MediaAddresses } from './media-addresses/media-addresses.ts'
import type { PolicyBook } from './policies/policy-book.ts'
import type { RelayBook } from './relays/relay-book.ts'
import type { State } from './state.ts'
import { arrivalOf } from './topology/delivery-ledger.ts'
import type { TopologyParts } from './topology/open-topology.ts'

export interface FlowRoomOptions {
  readonly config: Config
  readonly state: State
  readonly policies: PolicyBook
  readonly overlay: Pick<TopologyParts, 'topology' | 'triggers' | 'loads' | 'alarms'>
  readonly addresses: Pick<MediaAddresses, 'announced'>
  readonly facts: Pick<TenantFacts, 'tell' | 'subscribe'>
  readonly streams: StreamRegistry
  readonly relays: RelayBook
  readonly authenticator: Authenticator
  /** Viewer connections in use now, and how many of them have no token behind them. */
  readonly connections: () => { readonly used: number; readonly anonymous: number }
  /** What keeps the media workers from taking one more viewer or stream. */
  readonly workersFull: () => Saturation | null
  readonly events: MediaEvents
  readonly logger: Logger
}

/** Contracts of senders and viewers, and what their routes need. */
export interface FlowRoom extends AsyncDisposable {
  readonly viewers: ViewerFlows
  readonly subscriptions: StandingSubscriptions
  readonly publishers: PublisherFlows
  readonly places: PublisherPlaces
  readonly ways: FlowWays
  readonly routes: FlowRouteDependencies
  /** RIST ports: their number without those of the configuration's streams, and how many are taken. */
  readonly ports: () => { readonly taken: number; readonly count: number }
  /** The machine's clock was set. */
  readonly clockStepped: () => void
  /** The configuration's streams, and what tenants may have at most. */
  readonly reloadable: Reloadable
}

/** Opens the room of contracts. Contracts from before a restart go on, and the configuration's streams ask for theirs. */
export async function openFlowRoom(options: FlowRoomOptions): Promise<FlowRoom> {
  const { config, state, policies, overlay, facts, streams, relays, workersFull, events } = options
  await using stack = new AsyncDisposableStack()
  const onError = (error: unknown) => events.error('flows', 'contract', error)
  const limits = await ViewerLimits.open(state.store)
  const viewers = stack.use(
    new ViewerFlows(
      {
        limitOf: (viewer) => limits.of(viewer),
        get: (tenantId, streamId) => streams.get(tenantId, streamId),
      },
      SYSTEM_CLOCK,
      relays,
    ),
  )
  const subscriptions = stack.use(
    new StandingSubscriptions({ store: state.store, hubId: config.hubId, streams, onError }),
  )
  const lanes = new SwitchedLanes({
    streams,
    opened: ({ tenantId, streamId, flows: [first] }) => {
      viewers.prioritize(tenantId, streamId, first?.priority ?? USUAL_PRIORITY)
      subscriptions.streamOpened(tenantId, streamId)
    },
    closed: ({ tenantId, streamId }, reason) => {
      viewers.endAll(tenantId, streamId, reason)
      subscriptions.streamClosed(tenantId, streamId)
    },
  })
  const media = hubMedia({ streams, viewers, subscriptions, lanes, ristIp: config.ristIp, onError })
  const ways: FlowWays = new FlowWays({
    flows: { get: (contractId) => publishers.get(contractId) },
    changed: ({ contract }, now) => {
      const { contract_id, tenant_id: tenantId, stream_id: streamId } = contract
      events.linkWays({ tenantId, streamId }, Object.fromEntries(now.map(({ port, via }) => [port, via])))
      overlay.triggers.request(contract_id, 'way_changed')
    },
  })
  const watcher = flowWatcher(overlay, facts, ways)
  const publishers: PublisherFlows = stack.use(
    new PublisherFlows({
      store: state.store,
      sealer: state.sealer,
      hubId: config.hubId,
      media,
      watcher,
      onError,
      relays,
    }),
  )
  stack.use(
    facts.subscribe({
      name: 'links',
      of: 'all',
      kinds: ['input'],
      capacity: 10_000,
      take(batch) {
        for (const fact of batch) noteArrivals(fact, publishers, overlay.topology)
      },
    }),
  )
  const inputs: KnownInputs = { isInput: (tenantId, streamId) => streams.isInput(tenantId, streamId) }
  stack.use(askAgainForCodecs(facts, publishers, inputs, overlay.triggers))
  const places = stack.use(
    new PublisherPlaces({
      flows: publishers,
      findStream: (tenantId, streamId) => streams.get(tenantId, streamId),
      reportWays: (contractId, report) => ways.report(contractId, report),
    }),
  )
  const hubPolicies = new HubPolicies((tenantId) => policies.effective(tenantId), rulesOf(config))
  const policyOf = (tenantId: string) => hubPolicies.of(tenantId)
  const decisions = new DecisionBook({
    hubId: config.hubId,
    topology: overlay.topology.snapshot,
    policyOf,
    publishers,
    viewers,
    ways,
    switched: (tenantId, streamId) => streams.switched(tenantId, streamId),
    relays: () => relays.facts,
    workersFull,
    connections: () => ({ ...options.connections(), most: config.maxConnections }),
  })
  const door: PublishDoor = {
    nodeId: config.hubId,
    get address() {
      return options.addresses.announced.rist
    },
    takePorts: (count) => streams.takeRistPorts(count),
    givePorts: (ports) => streams.giveRistPorts(ports),
  }
  const audit = async (draft: AuditDraft) => void (await state.store.write([], [draft]))
  const bursts = stack.use(
    new AuditBursts({ write: audit, failed: (error) => events.error('audit', 'write', error) }),
  )
  const deps: FlowRouteDependencies = {
    decisions,
    publishers,
    lanes,
    ...inputs,
    viewers,
    ways,
    limits,
    door,
    streams,
    policyOf,
    audit,
    noteDecision: (draft, granted) => bursts.note(draft, granted),
    now: Date.now,
    streamOf: (tenantId, streamId) => {
      const stream = streams.get(tenantId, streamId)
      return stream && { state: stream.state, streamClass: stream.spec.streamClass }
    },
  }
  await publishers.restore(Date.now())
  await subscriptions.start(deps)
  const { authenticator } = options
  stack.use(new RevocationWatch({ authenticator, publishers, viewers, subscriptions, onError }))
  const standing = stack.use(new StandingStreams(deps, standingListener(options)))
  await standing.keep(config.streams)
  const owned = stack.move()
  return {
    viewers,
    subscriptions,
    publishers,
    places,
    ways,
    routes: {
      ...deps,
      isAway: (tenantId, streamId) => tenantId === DEFAULT_TENANT && standing.isAway(streamId),
    },
    ports: () => {
      const [first, last] = config.ristPorts
      let [taken, fixed] = [0, 0]
      for (const { owner, contract } of publishers.list()) {
        if (owner === ownerOf(STANDING_PRINCIPAL)) fixed += contract.endpoints.length
        else if (contract.transport === 'rist') taken += contract.endpoints.length
      }
      return { taken, count: Math.max(0, last - first + 1 - fixed) }
    },
    clockStepped: () => {
      viewers.clockStepped()
      publishers.clockStepped().catch(onError)
      standing.clockStepped()
    },
    reloadable: reloadable(config, hubPolicies, standing, onError),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** What the configuration says about policies. */
function rulesOf(config: Config): HubRules {
  return {
    rule: publicStreamsRule(config.streams),
    ceilings: {
      maxStreams: config.streamsPerTenant,
      maxStreamsPerToken: config.streamsPerToken,
      maxViewers: config.viewersPerTenant,
      maxViewersPerStream: config.viewersPerStream,
      maxViewersPerAddress: config.viewersPerAddress,
      uplinkKbps: null,
    },
  }
}

const RELOADABLE = [
  'streams',
  'streamsPerTenant',
  'streamsPerToken',
  'viewersPerTenant',
  'viewersPerStream',
  'viewersPerAddress',
] as const

function reloadable(
  config: Config,
  policies: HubPolicies,
  standing: StandingStreams,
  onError: (error: unknown) => void,
): Reloadable {
  let current = config
  return {
    settings: RELOADABLE,
    prepare(next) {
      const streams = changedStreams(current.streams, next.streams)
      return {
        changes: RELOADABLE.some((name) => !isDeepStrictEqual(current[name], next[name])),
        says: streams,
        async commit() {
          current = next
          policies.change(rulesOf(next))
          // A store that is away keeps no contract alive. The end is recorded later.
          await standing.keep(next.streams).catch(onError)
        },
      }
    },
  }
}

/** Watches the configuration's streams: a stream without its contract raises an alarm, and asks again. */
function standingListener({ logger, events, overlay: { alarms } }: FlowRoomOptions): StandingListener {
  const nameOf = (streamId: string) =>
    ({ kind: 'stream_without_contract', tenantId: DEFAULT_TENANT, subject: `stream:${streamId}` }) as const
  return {
    standing(stream_id, reason) {
      const message = `the configured stream ${stream_id} has no contract: ${messageOf(reason)}`
      alarms.report(nameOf(stream_id), reason !== null, message, SYSTEM_CLOCK.steady())
      if (reason === null) return
      logger.warn(
        { stream_id, reason: String(reason) },
        'a stream of the configuration has no contract; asking again',
      )
      if (reason instanceof CodedError && !isFailure(reason))
        events.rejected({ tenantId: DEFAULT_TENANT, streamId: stream_id }, reason.code, reason.message)
      else events.error('flows', 'standing', reason)
    },
    removed(stream_id) {
      alarms.gone(nameOf(stream_id), SYSTEM_CLOCK.steady())
    },
    revoked(stream_id) {
      alarms.gone(nameOf(stream_id), SYSTEM_CLOCK.steady())
      logger.warn(
        { stream_id },
        'a stream of the configuration was revoked by hand: it stays away until the next start of the hub, or until the configuration changes it',
      )
    },
  }
}

/** Notes which links of a stream delivered in the last second, if its sender is a node of the directory. */
function noteArrivals(
  { body: { stream, stats } }: TenantFact<'input'>,
  publishers: PublisherFlows,
  topology: FlowRoomOptions['overlay']['topology'],
): void {
  const flow = publishers.ofStream(stream.tenantId, stream.streamId)
  if (flow?.node_id == null) return
  const at = SYSTEM_CLOCK.steady()
  for (const link of stats.links) {
    const endpoint = flow.contract.endpoints.find(({ port }) => port === link.port)
    if (endpoint?.link !== undefined)
      topology.arrived(stream.tenantId, flow.node_id, endpoint.link, arrivalOf(link, at))
  }
}

/** Watches running contracts, and tells what happens to them. */
function flowWatcher(
  { triggers, loads }: FlowRoomOptions['overlay'],
  facts: Pick<TenantFacts, 'tell'>,
  ways: Pick<FlowWays, 'forget'>,
): FlowWatcher {
  return {
    running(flow) {
      triggers.watch(watchedOf(flow))
      const { contract_id, tenant_id, overlay, pacing } = flow.contract
      const about = { contractId: contract_id, tenantId: tenant_id }
      loads.running({ ...about, nodes: overlay.path, kbps: pacing.target_kbps })
    },
    over({ contract }) {
      triggers.unwatch(contract.contract_id)
      loads.over(contract.contract_id)
      ways.forget(contract.contract_id)
    },
    tell({ contract: { contract_id, tenant_id, stream_id, version, class: streamClass } }, news) {
      const contract = { contract_id, stream_id, version, class: streamClass }
      facts.tell(tenant_id, { kind: 'contract', news, contract })
    },
  }
}
