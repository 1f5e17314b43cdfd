import { CodedError } from '../../common/errors.ts'
import {
  type DecisionRequest,
  decisionRequestSchema,
  type GrantedDecision,
  type Principal,
} from '../../common/wire/decision.ts'
import type { Endpoint, FlowContract, FlowKeys } from '../../common/wire/flow-contract.ts'
import type { PublishRequest } from '../../common/wire/flows-api.ts'
import { DETOUR_PATH } from '../../signaling/detour/detour-door.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import { askedCodec, type KnownInputs } from './asked-codec.ts'
import { newContractId, newFlowKeys, newTicket } from './contract-secrets.ts'
import { type Taking, take } from './decision-book.ts'
import { endpointsUnder, READY_LINKS, readyLinks } from './link-endpoints.ts'
import { proofOf } from './proof.ts'
import { publishedInput } from './published-input.ts'
import { type LivePublisherFlow, ownerOf, USUAL_PRIORITY } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import type { SwitchedLanes } from './switched-lanes.ts'

/** When to ask again for somebody else's stream, s: nobody knows when its contract ends. */
const OTHERS_RETRY_S = 5
/** Most links for a sender that the directory does not know. */
const UNKNOWN_SENDER_LINKS = 2

/** Where senders reach the hub, and the free ports. */
export interface PublishDoor {
  /** The hub's own node. */
  readonly nodeId: string
  readonly address: string
  /** Takes ports for a new flow. @throws CodedError `ports_exhausted` (503) */
  takePorts(count: number): number[]
  givePorts(ports: readonly number[]): void
}

/** What a stream of the configuration fixes, where a contract would choose. */
export interface Fixed {
  readonly ports: readonly number[] | number
  readonly keys: FlowKeys
}

export interface PublishDependencies extends Taking, KnownInputs {
  readonly publishers: PublisherFlows
  readonly door: PublishDoor
  /** Streams that show one of several inputs; left out where there are none. */
  readonly lanes?: Pick<SwitchedLanes, 'find'>
}

/**
 * Grants a sender its contract, or renews the sender's present contract. A sender that asks again for its own stream
 * gets the same contract with a new expiry, so that a lost answer loses nothing.
 *
 * An input of a switched stream has a contract of its own. ACL, class and admission are decided for the switched stream.
 *
 * @param fixed ports and keys of a stream of the configuration, whose sender knows no contract
 * @throws CodedError of the refusal, `stream_taken`, `stream_not_switched`, `too_many_inputs` (409), `ports_exhausted`
 *   (503)
 */
export async function publish(
  deps: PublishDependencies,
  principal: AuthenticatedPrincipal,
  tenantId: string,
  request: PublishRequest,
  fixed?: Fixed,
): Promise<FlowContract> {
  const { publishers, door, now } = deps
  const { streamId, input, ruledBy, lane } = publishedInput(deps, tenantId, request)
  // All inputs of a switched stream are sent for the same viewers.
  const streamClass = lane?.flows[0]?.requested_class ?? request.class
  const question = questionOf(principal, tenantId, { ...request, stream_id: ruledBy, class: streamClass })
  const about = input ? { input: streamId } : {}
  const rules = request.input?.rules ?? null
  const wish = wishOf(request)
  const owner = ownerOf(principal)
  const running = publishers.ofStream(tenantId, streamId)
  if (running && running.owner !== owner)
    throw new CodedError('stream_taken', `stream ${streamId} has another publisher`, {
      retryAfterSeconds: OTHERS_RETRY_S,
      ...(input && { details: [`${ruledBy} takes further inputs: publish with another \`input\``] }),
    })
  if (running) {
    const { transport } = running.contract
    const wanted = request.preferred_transports
    if (wanted.length > 0 && !wanted.includes(transport))
      throw new CodedError('stream_taken', `stream ${streamId} is published over ${transport} now`, {
        retryAfterSeconds: OTHERS_RETRY_S,
        details: [`end contract ${running.contract.contract_id} first, or ask for ${transport}`],
      })
    const renewed = await publishers.update(running.contract.contract_id, async (before) => {
      const wishes = request.intent === undefined ? wishesOf(before) : {}
      const { granted, record } = await take(deps, principal, { ...question, ...wishes }, before, about)
      const flow = {
        ...renewal(deps, before, granted),
        requested_class: question.class,
        proof: proofOf(principal),
        ...(request.intent !== undefined && wish),
        ...(rules !== null && { input_rules: rules }),
      }
      return { flow, audit: record }
    })
    return publishers.contractOf(renewed)
  }

  const { granted, record } = await take(deps, principal, question, null, about)
  const contractId = newContractId()
  // A node may get a modem while it sends: ports that wait are there before.
  const room = principal.role === 'node' ? READY_LINKS : 0
  const way = granted.transport === 'webrtc' ? WEB_RTC : wayOfRist(door, contractId, granted, fixed, room)
  const flow: LivePublisherFlow = {
    contract: {
      ...termsOf(granted),
      contract_id: contractId,
      version: 1,
      tenant_id: tenantId,
      stream_id: streamId,
      ...(input && { input }),
      endpoints: way.endpoints,
      video_codec: askedCodec(deps, { tenant_id: tenantId, stream_id: streamId, input }),
    },
    keys: way.keys,
    ticket: newTicket(),
    owner,
    node_id: principal.node_id,
    requested_class: question.class,
    input_rules: rules,
    priority: lane?.flows[0]?.priority ?? USUAL_PRIORITY,
    links: granted.path.links,
    history: granted.history,
    relay: granted.relay,
    ...wish,
    granted_at: now(),
    proof: proofOf(principal),
  }
  try {
    await publishers.begin(flow, record)
  } catch (error) {
    door.givePorts(way.taken)
    throw error
  }
  return publishers.contractOf(flow)
}

/** Where a new flow's media arrives, with its keys. */
interface Way {
  readonly endpoints: Endpoint[]
  readonly keys: FlowKeys | null
  /** Ports to give back if the flow does not begin. */
  readonly taken: readonly number[]
}

/** Over WebRTC the publisher learns at the door where to send, and DTLS makes the keys. */
const WEB_RTC: Way = { endpoints: [], keys: null, taken: [] }

/**
 * @param room ports at least, also where fewer links are known, while there are ports
 * @throws CodedError `ports_exhausted` (503)
 */
function wayOfRist(
  door: PublishDoor,
  contractId: string,
  { overlay: { bindings }, spare, encryption }: GrantedDecision,
  fixed: Fixed | undefined,
  room: number,
): Way {
  const links = readyLinks(bindings, spare)
  const most = Math.max(links.length, room)
  const { ports, taken } = fixed ? portsOf(door, fixed) : portsFor(door, most, bindings.length)
  const endpoints = ports.map((port, index) => ({
    node_id: door.nodeId,
    address: door.address,
    port,
    ...(links[index] !== undefined && { link: links[index] }),
  }))
  return { endpoints, keys: fixed?.keys ?? newFlowKeys(contractId, encryption.aes_bits), taken }
}

function portsOf(door: PublishDoor, { ports }: Fixed) {
  const taken = typeof ports === 'number' ? door.takePorts(ports) : []
  return { ports: typeof ports === 'number' ? taken : ports, taken }
}

/** @param least without ports for links that are not used now */
function portsFor(door: PublishDoor, links: number, least: number) {
  const atLeast = least || UNKNOWN_SENDER_LINKS
  try {
    const taken = door.takePorts(links || UNKNOWN_SENDER_LINKS)
    return { ports: taken, taken }
  } catch (error) {
    if (links <= atLeast) throw error
    const taken = door.takePorts(atLeast)
    return { ports: taken, taken }
  }
}

/**
 * The running flow under a newer decision: its transport, ports and secrets stay, its version counts up. It asks for the
 * codec that the inputs of now need.
 */
export function renewal(
  inputs: KnownInputs,
  running: LivePublisherFlow,
  granted: GrantedDecision,
): LivePublisherFlow {
  const { contract } = running
  const endpoints = endpointsUnder(contract.endpoints, contract.overlay.bindings, granted.overlay.bindings)
  return {
    ...running,
    contract: {
      ...contract,
      ...termsOf(granted),
      endpoints,
      video_codec: askedCodec(inputs, contract),
      version: contract.version + 1,
    },
    links: granted.path.links,
    history: granted.history,
    relay: granted.relay,
  }
}

/** What the publisher of a running flow asked for once, for further questions about the flow. */
export function wishesOf({ relay_wish: relay, mode_wish: mode }: LivePublisherFlow) {
  return relay === null && mode === null ? {} : { intent: { ...(relay && { relay }), ...(mode && { mode }) } }
}

/** What of the publisher's intent holds for later decisions, too. */
function wishOf({ intent }: PublishRequest): Pick<LivePublisherFlow, 'relay_wish' | 'mode_wish'> {
  const wish = typeof intent === 'object' ? intent : {}
  const mode_wish = wish.mode === 'deterministic-wired' ? wish.mode : null
  return { relay_wish: wish.relay ?? null, mode_wish }
}

function questionOf(principal: Principal, tenantId: string, request: PublishRequest): DecisionRequest {
  return decisionRequestSchema.parse({
    action: 'publish',
    tenant_id: tenantId,
    stream_id: request.stream_id,
    class: request.class,
    preferred_transports: request.preferred_transports,
    ...(principal.node_id !== null && { node_id: principal.node_id }),
    ...(request.intent !== undefined && { intent: request.intent }),
  })
}

/** The terms that a contract takes from a decision unchanged. */
function termsOf(granted: GrantedDecision) {
  const { mode, transport, buffer, pacing, abr, overlay, latency, reasons, expires_at } = granted
  const detours = granted.detours.map((detour) => ({
    ...detour,
    url: detour.via === 'wss' ? DETOUR_PATH : null,
  }))
  const terms = { mode, transport, buffer, pacing, abr, overlay, latency, detours, reasons, expires_at }
  return { class: granted.class, ...terms }
}
