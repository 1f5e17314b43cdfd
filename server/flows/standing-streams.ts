import { isDeepStrictEqual } from 'node:util'
import { backoffMs } from '../../common/retry.ts'
import type { PublishRequest } from '../../common/wire/flows-api.ts'
import type { AclRule } from '../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import type { LaneRules } from '../../common/wire/switched-inputs.ts'
import { type AuthenticatedPrincipal, UNPROVEN } from '../auth/principal.ts'
import { type ConfiguredStream, sentStreamOf } from '../config/configured-stream.ts'
import { type Fixed, type PublishDependencies, publish } from './publish.ts'
import { type LivePublisherFlow, ownerOf } from './publisher-flow.ts'

const RETRY = { initialMs: 1000, maxMs: 30_000, factor: 2 }
/** Wait before asking again for a contract that ran out, ms: by then its ports are given back. */
const AFTER_END_MS = 100
/** A contract is renewed when this share of its life is over. */
const RENEW_AT = 0.5

/** The publisher of the configuration's streams: the hub itself, in the default tenant. */
export const STANDING_PRINCIPAL: AuthenticatedPrincipal = {
  // No token can be issued to a name that begins with `_`.
  id: '_configuration',
  role: 'publisher',
  tenant_id: DEFAULT_TENANT,
  ...UNPROVEN,
}

/** The rule that opens the configuration's public streams to everybody; null without public streams. */
export function publicStreamsRule(streams: readonly ConfiguredStream[]): AclRule | null {
  const open = [...new Set(streams.filter((stream) => stream.public).map(({ stream_id }) => stream_id))]
  return open.length === 0
    ? null
    : {
        name: 'public streams of the configuration',
        effect: 'allow',
        subjects: ['anonymous'],
        actions: ['subscribe', 'stream.read'],
        streams: open,
      }
}

/** The ids by which two lists of streams differ. Empty lists are left out. */
export function changedStreams(
  before: readonly ConfiguredStream[],
  next: readonly ConfiguredStream[],
): Readonly<Record<string, readonly string[]>> {
  const [old, young] = [before, next].map(
    (list) => new Map(list.map((stream) => [sentStreamOf(stream), stream])),
  )
  const ids = (streams: readonly ConfiguredStream[]) => streams.map(sentStreamOf)
  const differs = (stream: ConfiguredStream) => {
    const was = old!.get(sentStreamOf(stream))
    return was !== undefined && !isDeepStrictEqual(was, stream)
  }
  const lists = {
    streams_added: ids(next.filter((stream) => !old!.has(sentStreamOf(stream)))),
    streams_removed: ids(before.filter((stream) => !young!.has(sentStreamOf(stream)))),
    streams_changed: ids(next.filter(differs)),
  }
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0))
}

/** News of the configuration's streams. None of these may throw. */
export interface StandingListener {
  /** A stream has its contract; else `reason` says why it was refused, and the hub asks again. */
  standing(streamId: string, reason: unknown): void
  /** Somebody ended the stream's contract: the stream stays away. */
  revoked(streamId: string): void
  /** The configuration has no such stream any more. */
  removed(streamId: string): void
}

interface Kept {
  stream: ConfiguredStream
  timer: NodeJS.Timeout | undefined
  /** The contract that this stream listens to. */
  contractId: string | null
  stopListening: () => void
  /** Revoked by hand. */
  away: boolean
  /** The configuration has no such stream any more, or has changed it. */
  dropped: boolean
  /** The last request for the contract; never rejects. */
  asking: Promise<void>
}

/**
 * Keeps contracts for the streams of the configuration, like a sender that asks by itself: the same policy grants them,
 * they are renewed at half their life, and asked for again after a refusal or expiry. A stream that is revoked by hand
 * stays away until the next start of the hub, or until the configuration changes the stream: an operator who ends a
 * stream means it.
 */
export class StandingStreams implements Disposable {
  readonly #deps: PublishDependencies
  readonly #kept = new Map<string, Kept>()
  readonly #listener: StandingListener
  #closed = false

  constructor(deps: PublishDependencies, listener: StandingListener) {
    this.#deps = deps
    this.#listener = listener
  }

  /**
   * Keeps these streams and no others. Contracts that do not fit these streams end, and unchanged streams are left alone.
   * Calls run one after the other. Resolves when each new or changed stream was asked for once.
   * @throws CodedError of the store where the end of a contract could not be stored: the contract is over all the same
   */
  async keep(streams: readonly ConfiguredStream[]): Promise<void> {
    const wanted = new Map(streams.map((stream) => [sentStreamOf(stream), stream]))
    const dropped = Array.from(this.#kept.values()).filter(({ stream }) => {
      const next = wanted.get(sentStreamOf(stream))
      return !(next && isDeepStrictEqual(termsOf(stream), termsOf(next)))
    })
    for (const kept of dropped) this.#drop(kept, wanted.has(sentStreamOf(kept.stream)))
    // A contract that is being asked for is granted by then, and ends with the others.
    await Promise.all(dropped.map(({ asking }) => asking))
    const ended = await Promise.allSettled(
      this.#outdated(wanted).map((contractId) => this.#end(contractId, wanted)),
    )
    const begun: Kept[] = []
    for (const stream of streams) {
      const kept = this.#kept.get(sentStreamOf(stream))
      if (kept) kept.stream = stream
      else begun.push(this.#begin(stream))
    }
    await Promise.all(begun.map(({ asking }) => asking))
    for (const { reason } of ended.filter((result) => result.status === 'rejected')) throw reason
  }

  /** The machine's clock was set: renews contracts now, so that the stored ends are right again. */
  clockStepped(): void {
    for (const kept of this.#kept.values()) this.#ask(kept, 0)
  }

  /** Whether a stream of the configuration stays away because somebody revoked it by hand. */
  isAway(streamId: string): boolean {
    return [...this.#kept.values()].some(
      ({ stream, away }) => away && [stream.stream_id, sentStreamOf(stream)].includes(streamId),
    )
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const { timer, stopListening } of this.#kept.values()) {
      clearTimeout(timer)
      stopListening()
    }
  }

  #begin(stream: ConfiguredStream): Kept {
    const kept: Kept = {
      stream,
      timer: undefined,
      contractId: null,
      stopListening: () => {},
      away: false,
      dropped: false,
      asking: Promise.resolve(),
    }
    this.#kept.set(sentStreamOf(stream), kept)
    this.#ask(kept, 0)
    return kept
  }

  #drop(kept: Kept, isChanged: boolean): void {
    kept.dropped = true
    clearTimeout(kept.timer)
    kept.stopListening()
    this.#kept.delete(sentStreamOf(kept.stream))
    if (!isChanged) this.#listener.removed(sentStreamOf(kept.stream))
  }

  /** The hub's own contracts that fit no stream of the configuration. Some may be from before a restart. */
  #outdated(wanted: ReadonlyMap<string, ConfiguredStream>): string[] {
    return this.#deps.publishers.list().flatMap((flow) => {
      const { stream_id, contract_id } = flow.contract
      const stream = wanted.get(stream_id)
      const fits = stream !== undefined && runsAsConfigured(flow, stream)
      return flow.owner !== ownerOf(STANDING_PRINCIPAL) || fits ? [] : [contract_id]
    })
  }

  async #end(contractId: string, wanted: ReadonlyMap<string, ConfiguredStream>): Promise<void> {
    const { publishers } = this.#deps
    const streamId = publishers.get(contractId)?.contract.stream_id ?? ''
    const why = wanted.has(streamId)
      ? 'the configuration of the stream has changed'
      : 'the configuration has no such stream any more'
    await publishers.end(contractId, 'revoked', 'hub', why)
  }

  #ask(kept: Kept, attempt: number): void {
    clearTimeout(kept.timer)
    kept.asking = kept.asking.then(() => this.#publish(kept, attempt))
  }

  async #publish(kept: Kept, attempt: number): Promise<void> {
    if (this.#closed || kept.away || kept.dropped) return
    const { stream } = kept
    let again = backoffMs(RETRY, attempt)
    let nextAttempt = attempt + 1
    try {
      const request = requestOf(stream)
      const contract = await publish(this.#deps, STANDING_PRINCIPAL, DEFAULT_TENANT, request, fixedOf(stream))
      if (kept.dropped) return
      this.#listen(kept, contract.contract_id)
      again = Math.max(1000, (contract.expires_at - this.#deps.now()) * RENEW_AT)
      nextAttempt = 0
      this.#listener.standing(sentStreamOf(stream), null)
    } catch (error) {
      if (!this.#closed && !kept.away && !kept.dropped) this.#listener.standing(sentStreamOf(stream), error)
    }
    this.#askAgain(kept, again, nextAttempt)
  }

  #askAgain(kept: Kept, afterMs: number, attempt: number): void {
    clearTimeout(kept.timer)
    if (this.#closed || kept.away || kept.dropped) return
    kept.timer = setTimeout(() => this.#ask(kept, attempt), afterMs)
  }

  #listen(kept: Kept, contractId: string): void {
    if (kept.contractId === contractId) return
    kept.stopListening()
    kept.contractId = contractId
    kept.stopListening = this.#deps.publishers.listen(contractId, (event) => {
      if (event.type === 'contract') return
      kept.contractId = null
      kept.away = event.reason === 'revoked'
      if (kept.away) this.#listener.revoked(sentStreamOf(kept.stream))
      this.#askAgain(kept, AFTER_END_MS, 0)
    })
  }
}

/** A change of any of these makes another stream. Who may watch is not among them: that is a rule, no term. */
function termsOf({ public: _public, ...terms }: ConfiguredStream): Omit<ConfiguredStream, 'public'> {
  return terms
}

function runsAsConfigured(
  { contract, keys, requested_class, input_rules }: LivePublisherFlow,
  stream: ConfiguredStream,
): boolean {
  const fixed = fixedOf(stream)
  const ports = contract.endpoints.map(({ port }) => port)
  return (
    requested_class === stream.class &&
    isDeepStrictEqual(input_rules, rulesOf(stream)) &&
    (typeof fixed.ports === 'number'
      ? ports.length === fixed.ports
      : isDeepStrictEqual(ports, fixed.ports)) &&
    isDeepStrictEqual(keys, fixed.keys)
  )
}

function requestOf(stream: ConfiguredStream): PublishRequest {
  const { stream_id, class: streamClass, input } = stream
  const rules = rulesOf(stream)
  return {
    stream_id,
    class: streamClass,
    preferred_transports: [],
    ...(input && { input: { ...input, ...(rules && { rules }) } }),
  }
}

/** What the stream fixes of the rules by which it switches; null where it fixes nothing. */
function rulesOf({ threshold_ms, frozen_ms, return_after_ms }: ConfiguredStream): LaneRules | null {
  const rules = {
    ...(threshold_ms !== undefined && { threshold_ms }),
    ...(frozen_ms !== undefined && { frozen_ms }),
    ...(return_after_ms !== undefined && { return_after_ms }),
  }
  return Object.keys(rules).length > 0 ? rules : null
}

function fixedOf({
  ports,
  links,
  passphrase,
  aes_bits,
  authentication,
  username,
  password,
}: ConfiguredStream): Fixed {
  return {
    ports: ports ?? links,
    keys: {
      passphrase,
      aes_bits,
      ...(authentication === 'srp' &&
        username !== undefined &&
        password !== undefined && { username, password }),
    },
  }
}
