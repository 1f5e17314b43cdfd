import { type Clock, SYSTEM_CLOCK, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { Decision, DecisionRequest, GrantedDecision, Principal } from '../../common/wire/decision.ts'
import type { Transport } from '../../common/wire/ids.ts'
import { anonymousCeiling, type Saturation } from '../../policy/capacity.ts'
import { decide } from '../../policy/decide.ts'
import type { EffectivePolicy } from '../../policy/effective.ts'
import {
  BROWSER,
  type ConnectionUsage,
  type CurrentFlow,
  type DecisionFacts,
  type PeerFacts,
  programOn,
} from '../../policy/facts.ts'
import type { TopologySnapshot } from '../../policy/paths/graph.ts'
import type { RelayFacts } from '../../policy/relays.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { addressKey } from '../auth/address-key.ts'
import { actorOf } from '../auth/principal.ts'
import type { FlowWays } from './flow-ways.ts'
import { isHubsOwn, type LivePublisherFlow, ownerOf } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import { type Origins, originOf } from './stream-origin.ts'
import type { ViewerFlows } from './viewer-flows.ts'
import type { PlaceCeilings, PlaceHolder } from './viewer-places.ts'

/** A sender of which only RIST is known, as ristsender and our agent speak it. */
const RIST_SENDER: PeerFacts = {
  ...BROWSER,
  transports: [{ transport: 'rist', profile: 'main', authentication: 'srp', aes_bits: 256 }],
}

/** A peer of which only its wished transports are known: it speaks those of them that the hub accepts. */
function unknownSender(wanted: readonly Transport[]): PeerFacts {
  if (!wanted.includes('webrtc')) return RIST_SENDER
  return wanted.includes('rist')
    ? { ...BROWSER, transports: [...RIST_SENDER.transports, ...BROWSER.transports] }
    : BROWSER
}

/** When to come again to a draining node, seconds: an operator needs time to act. */
const DRAINED_RETRY_S = 10

export interface DecisionSources extends Pick<Origins, 'switched'> {
  /** The hub's own node, on which its streams live. */
  readonly hubId: string
  readonly topology: TopologySnapshot
  readonly policyOf: (tenantId: string) => EffectivePolicy
  readonly publishers: PublisherFlows
  readonly viewers: ViewerFlows
  /** Ways of senders' links; left out where nobody reports them. */
  readonly ways?: Pick<FlowWays, 'detourOf'>
  /** The hub's viewer connections; left out where nobody counts them. */
  readonly connections?: () => ConnectionUsage
  /** TURN relays as they are now; left out where there are none. */
  readonly relays?: () => readonly RelayFacts[]
  /** What keeps the media workers from taking one more viewer or stream. */
  readonly workersFull: () => Saturation | null
  readonly clock?: Clock
}

/** What is known about the asker beside the token. */
export interface Asking {
  /** The flow that a reroute or renewal is about. */
  readonly current?: LivePublisherFlow | null
  /** Where a viewer's request came from. */
  readonly address?: string
  /** A program of the hub's own subscribes: it is no viewer. `renews`: it has a contract, and asks for the next one. */
  readonly program?: { readonly renews: boolean }
}

/** Asks policy, with everything that the hub knows at that moment. */
export class DecisionBook {
  readonly #sources: DecisionSources

  constructor(sources: DecisionSources) {
    this.#sources = sources
  }

  /** The decision and why; changes nothing. */
  ask(principal: Principal, request: DecisionRequest, asking: Asking = {}): Decision {
    const { clock = SYSTEM_CLOCK } = this.#sources
    const policy = this.#sources.policyOf(request.tenant_id)
    // Evidence and switches age by the steady clock. A contract's end is shown and stored, so it goes by the wall
    // clock.
    const decision = decide(
      { principal, request },
      this.#facts(principal, request, asking),
      policy,
      clock.steady(),
    )
    return decision.outcome === 'refuse'
      ? decision
      : { ...decision, expires_at: wallOf(clock, decision.expires_at) }
  }

  /** Most places of viewers in a tenant. */
  placeCeilings(tenantId: string): PlaceCeilings {
    const { maxViewers, maxViewersPerStream, maxViewersPerAddress } =
      this.#sources.policyOf(tenantId).ceilings
    return {
      viewers: maxViewers,
      viewersOfStream: maxViewersPerStream,
      anonymous: {
        viewers: anonymousCeiling(maxViewers),
        viewersOfStream: anonymousCeiling(maxViewersPerStream),
        viewersOfAddress: maxViewersPerAddress,
      },
    }
  }

  #facts(
    principal: Principal,
    request: DecisionRequest,
    { current = null, address = '', program }: Asking,
  ): DecisionFacts {
    const asker = ownerOf(principal)
    const { hubId, topology, publishers, viewers, connections, relays, workersFull } = this.#sources
    const { tenant_id, stream_id } = request
    const seeker = {
      tenantId: tenant_id,
      streamId: stream_id,
      holder: placeHolderOf(principal, address),
    }
    const views = request.action === 'subscribe' && !program
    const places = viewers.taken(seeker)
    const origin = originOf(this.#sources, tenant_id, stream_id)
    // An input of a switched stream is asked about by the switched stream's name, and is no other than itself.
    const own = current?.contract.stream_id ?? stream_id
    const others = publishers
      .list()
      .filter(({ contract }) => contract.tenant_id === tenant_id && contract.stream_id !== own)
    return {
      topology,
      stream: origin && { tenantId: tenant_id, streamId: stream_id, homeNodeId: hubId, ...origin },
      peer: program
        ? programOn(hubId)
        : views
          ? { ...BROWSER, needsRelay: viewers.needsRelay(seeker) }
          : unknownSender(current ? [current.contract.transport] : request.preferred_transports),
      usage: {
        streams: others.length,
        streamsOfToken: isHubsOwn(principal) ? 0 : others.filter(({ owner }) => owner === asker).length,
        viewers: places.viewers,
        viewersOfStream: places.viewersOfStream,
        uplinkKbps: others.reduce((sum, { contract }) => sum + contract.abr.max_kbps, 0),
      },
      renews: program?.renews ?? (views && viewers.isRenewal(seeker)),
      anonymous: places.anonymous ?? undefined,
      connections: views ? connections?.() : undefined,
      workersFull: workersFull(),
      ...(relays && { relays: relays() }),
      measured: {},
      current: current && currentFlow(current, this.#sources.ways),
    }
  }
}

/** The holder of a place. */
export function placeHolderOf(
  principal: Pick<Principal, 'role' | 'id' | 'tenant_id' | 'node_id'>,
  address: string,
): PlaceHolder {
  return principal.role === 'anonymous'
    ? { anonymous: true, name: addressKey(address) }
    : { anonymous: false, name: ownerOf(principal) }
}

function currentFlow(
  { contract, links, history }: LivePublisherFlow,
  ways: DecisionSources['ways'],
): CurrentFlow {
  return {
    nodes: contract.overlay.path,
    links,
    bindings: contract.overlay.bindings,
    kbps: contract.pacing.target_kbps,
    history,
    detour: ways?.detourOf(contract.contract_id) ?? null,
  }
}

/** The granted decision. Throws a refusal as an error with its status and its reasons. */
export function grantedOrThrow(decision: Decision): GrantedDecision {
  if (decision.outcome !== 'refuse') return decision
  const { code, status, message, resource, rule } = decision.refusal
  const retryAfterSeconds = resource === 'node_draining' ? DRAINED_RETRY_S : undefined
  throw new CodedError(code, message, {
    status,
    resource,
    rule,
    retryAfterSeconds,
    details: decision.reasons,
  })
}

/** What `take` needs. */
export interface Taking {
  readonly decisions: DecisionBook
  /** Records a decision that changes nothing stored on the audit trail; a flood becomes one record. */
  readonly noteDecision: (draft: AuditDraft, granted: boolean) => Promise<void>
  readonly now: () => number
}

/**
 * The granted decision, with the record to write when it is carried out. A refusal is recorded here.
 * @param current the flow of a reroute or renewal
 * @param more further details of the record
 * @throws CodedError of the refusal
 */
export async function take(
  { decisions, noteDecision }: Taking,
  principal: Principal,
  request: DecisionRequest,
  current: LivePublisherFlow | null,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly granted: GrantedDecision; readonly record: AuditDraft }> {
  const decision = decisions.ask(principal, request, { current })
  const about = auditOf(principal, request, decision)
  const record = { ...about, detail: { ...about.detail, ...more } }
  if (decision.outcome === 'refuse') await noteDecision(record, false)
  return { granted: grantedOrThrow(decision), record }
}

/** A decision's record for the audit trail. */
export function auditOf(principal: Principal, request: DecisionRequest, decision: Decision): AuditDraft {
  const about = { class: request.class, rule: decision.rule, reasons: decision.reasons }
  return {
    tenant_id: request.tenant_id,
    at: Date.now(),
    actor: actorOf(principal),
    action: request.action,
    object: `stream/${request.stream_id}`,
    outcome: decision.outcome === 'refuse' ? decision.refusal.code : decision.outcome,
    detail:
      decision.outcome === 'refuse'
        ? about
        : {
            ...about,
            granted_class: decision.class,
            transport: decision.transport,
            path: decision.path.nodes,
          },
  }
}
