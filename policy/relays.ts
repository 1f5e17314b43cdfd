import type { DecisionRequest, Principal, RelayChoice } from '../common/wire/decision.ts'
import type { StreamClass } from '../common/wire/stream.ts'
import { compileSubject } from './acl.ts'
import { mayPass } from './tenancy.ts'

/** A TURN relay (RFC 8656) as the hub knows it now. */
export interface RelayFacts {
  readonly nodeId: string
  /** null for relays that the hub shares with every tenant. */
  readonly tenantId: string | null
  readonly region: string | null
  /** Why it is offered to nobody, in words; null while it gives signs of life. */
  readonly down: string | null
  /** Share of its allocations that is taken, 0 to 1; null where nobody knows. */
  readonly load: number | null
  /** Between the relay and the hub, ms; null for a relay on the hub's own machine. */
  readonly rttMs: number | null
  /** Probes that the relay did not answer lately, 0 to 1. */
  readonly loss: number
}

/** An entry of `relay.always` in a tenant's policy. */
export interface RelayAlways {
  /** As the policy has it: `class:focus`, `user:guest-*`. */
  readonly written: string
  readonly names: (principal: Principal, streamClass: StreamClass) => boolean
}

export interface RelayQuestion {
  readonly principal: Principal
  readonly request: Pick<DecisionRequest, 'tenant_id' | 'preference' | 'intent'>
  readonly streamClass: StreamClass
  readonly relays: readonly RelayFacts[]
  /** Direct paths to this end failed: the hub saw its media come through a relay. */
  readonly needsRelay: boolean
  readonly rules: {
    readonly relayAlways: readonly RelayAlways[]
    readonly avoidNodes: ReadonlySet<string>
    readonly preferNodes: ReadonlySet<string>
    readonly requireRegion: string | null
  }
}

export interface RelayTerms {
  readonly choice: RelayChoice
  /** Why media goes through a relay, in words; null where direct paths are tried first. */
  readonly relayed: string | null
  /** A relay is demanded, and none is there. */
  readonly missing: boolean
  readonly reasons: readonly string[]
}

/** Most relays that a contract knows. It lists the best that are up at the time. */
const MOST_RELAYS = 8
/** From this load on, a relay is kept for those who can't do without. */
const KEPT_FROM = 0.8
/** What a full relay costs, ms; and where a relay begins to fill up. */
const FULL_MS = 100
const FILLS_FROM = 0.5

export function compileRelayAlways(entries: readonly string[]): RelayAlways[] {
  return entries.map((written) => {
    const name = /^class:(.*)$/.exec(written)?.[1]
    if (name !== undefined) return { written, names: (_principal, streamClass) => streamClass === name }
    const matches = compileSubject(written)
    return { written, names: (principal) => matches({ principal }) }
  })
}

/**
 * Which relays a WebRTC end may use, best first, and whether it may use anything else. A relay's cost is its delay to the
 * hub by its newest probes, and what its load adds.
 */
export function chooseRelays(question: RelayQuestion): RelayTerms {
  const { request, relays, needsRelay, rules } = question
  const forced = forcedBy(question)
  const needed = wishOf(request) === 'needed' || needsRelay
  const reasons: string[] = []
  const offered: { readonly relay: RelayFacts; readonly cost: number; readonly rank: number }[] = []
  for (const relay of relays) {
    if (!mayPass(request.tenant_id, relay.tenantId)) continue
    const obstacle = obstacleOf(relay, rules.requireRegion, forced !== null || needed)
    if (obstacle !== null) reasons.push(`relay ${relay.nodeId} is left out: ${obstacle}`)
    else {
      const rank = rules.preferNodes.has(relay.nodeId) ? 0 : rules.avoidNodes.has(relay.nodeId) ? 2 : 1
      offered.push({ relay, cost: costOf(relay), rank })
    }
  }
  offered.sort(
    (one, other) =>
      one.rank - other.rank || one.cost - other.cost || (one.relay.nodeId < other.relay.nodeId ? -1 : 1),
  )
  const chosen = offered.slice(0, MOST_RELAYS).map(({ relay }) => relay)
  if (chosen.length > 0) reasons.push(`relays, best first: ${chosen.map(describe).join('; ')}`)
  if (forced !== null) reasons.push(`through a relay only: ${forced}`)
  const nodes = chosen.map(({ nodeId }) => nodeId)
  return {
    choice: { ice_transport_policy: forced === null ? 'all' : 'relay', nodes },
    relayed: nodes.length === 0 ? null : (forced ?? (needed ? 'direct paths failed' : null)),
    missing: forced !== null && nodes.length === 0,
    reasons,
  }
}

/** What demands a relay, in words; null for nothing. */
function forcedBy({ request, principal, streamClass, rules }: RelayQuestion): string | null {
  const entry = rules.relayAlways.find(({ names }) => names(principal, streamClass))
  if (entry) return `the policy's relay.always has "${entry.written}"`
  return wishOf(request) === 'always' ? 'the other end asked for that' : null
}

function wishOf({ preference, intent }: RelayQuestion['request']): 'always' | 'needed' | undefined {
  if (typeof preference === 'object') return preference.relay
  return typeof intent === 'object' ? intent.relay : undefined
}

function obstacleOf(
  { down, region, load }: RelayFacts,
  required: string | null,
  needed: boolean,
): string | null {
  if (down !== null) return down
  if (required !== null && region !== required) return `it is not in region "${required}"`
  if (load !== null && load >= 1) return 'it is full'
  if (load !== null && load >= KEPT_FROM && !needed)
    return `${percent(load)} of its allocations are taken, and the rest is kept for those who need a relay`
  return null
}

/** ms */
function costOf({ rttMs, loss, load }: RelayFacts): number {
  const rtt = rttMs ?? 0
  return rtt / 2 + 1.5 * loss * rtt + (Math.max(0, (load ?? 0) - FILLS_FROM) / (1 - FILLS_FROM)) * FULL_MS
}

function describe({ nodeId, rttMs, load }: RelayFacts): string {
  const facts = [
    rttMs === null ? "on the hub's machine" : `${Math.round(rttMs * 10) / 10} ms from the hub`,
    ...(load === null ? [] : [`${percent(load)} full`]),
  ]
  return `${nodeId} (${facts.join(', ')})`
}

const percent = (share: number) => `${Math.round(share * 100)} %`
