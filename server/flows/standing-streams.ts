import { isDeepStrictEqual } from 'node:util'
import { backoffMs } from '../../common/retry.ts'
import type { AclRule } from '../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { type AuthenticatedPrincipal, UNPROVEN } from '../auth/principal.ts'
import type { ConfiguredStream } from '../config/config.ts'
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
  const open = streams.filter((stream) => stream.public).map(({ stream_id }) => stream_id)
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

/** News of the configuration's streams. None of these may throw. */
export interface StandingListener {
  /** A stream has its contract; else `reason` says why it was refused, and the hub asks again. */
  standing(streamId: string, reason: unknown): void
  /** Somebody ended the stream's contract: the stream stays away. */
  revoked(streamId: string): void
}

interface Kept {
  readonly stream: ConfiguredStream
  timer: NodeJS.Timeout | undefined
  /** The contract that this stream listens to. */
  contractId: string | null
  stopListening: () => void
  /** Revoked by hand. */
  away: boolean
}

/**
 * Keeps contracts for the streams of the configuration, like a sender that asks by itself: the same policy grants them,
 * they are renewed at half their life, and asked for again after a refusal or expiry. A stream that is revoked by hand
 * stays away until the next start of the hub, because an operator who ends a stream means it.
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
   * Asks for every stream's contract. Resolves when each was asked for once. Contracts from before a restart end where
   * the configuration has other ports or keys now, or no such stream.
   */
  async start(streams: readonly ConfiguredStream[]): Promise<void> {
    const { publishers } = this.#deps
    const outdated = publishers.list().filter((flow) => {
      const stream = streams.find(({ stream_id }) => stream_id === flow.contract.stream_id)
      return (
        flow.owner === ownerOf(STANDING_PRINCIPAL) && !(stream && runsAsConfigured(flow, fixedOf(stream)))
      )
    })
    for (const { contract } of outdated)
      await publishers.end(contract.contract_id, 'revoked', 'hub', 'the configuration has changed')
    await Promise.all(
      streams.map((stream) => {
        const kept: Kept = {
          ...{ stream, timer: undefined, contractId: null, stopListening: () => {}, away: false },
        }
        this.#kept.set(stream.stream_id, kept)
        return this.#keep(kept, 0)
      }),
    )
  }

  /** The machine's clock was set: renews contracts now, so that the stored ends are right again. */
  clockStepped(): void {
    for (const kept of this.#kept.values()) void this.#keep(kept, 0)
  }

  /** Whether a stream of the configuration stays away because somebody revoked it by hand. */
  isAway(streamId: string): boolean {
    return this.#kept.get(streamId)?.away ?? false
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const { timer, stopListening } of this.#kept.values()) {
      clearTimeout(timer)
      stopListening()
    }
  }

  async #keep(kept: Kept, attempt: number): Promise<void> {
    const { stream } = kept
    clearTimeout(kept.timer)
    if (this.#closed || kept.away) return
    let again = backoffMs(RETRY, attempt)
    let nextAttempt = attempt + 1
    try {
      const request = { stream_id: stream.stream_id, class: stream.class, preferred_transports: [] }
      const contract = await publish(this.#deps, STANDING_PRINCIPAL, DEFAULT_TENANT, request, fixedOf(stream))
      this.#listen(kept, contract.contract_id)
      again = Math.max(1000, (contract.expires_at - this.#deps.now()) * RENEW_AT)
      nextAttempt = 0
      this.#listener.standing(stream.stream_id, null)
    } catch (error) {
      if (!this.#closed && !kept.away) this.#listener.standing(stream.stream_id, error)
    }
    this.#askAgain(kept, again, nextAttempt)
  }

  #askAgain(kept: Kept, afterMs: number, attempt: number): void {
    clearTimeout(kept.timer)
    if (this.#closed || kept.away) return
    kept.timer = setTimeout(() => void this.#keep(kept, attempt), afterMs)
  }

  #listen(kept: Kept, contractId: string): void {
    if (kept.contractId === contractId) return
    kept.stopListening()
    kept.contractId = contractId
    kept.stopListening = this.#deps.publishers.listen(contractId, (event) => {
      if (event.type === 'contract') return
      kept.contractId = null
      kept.away = event.reason === 'revoked'
      if (kept.away) this.#listener.revoked(kept.stream.stream_id)
      this.#askAgain(kept, AFTER_END_MS, 0)
    })
  }
}

function runsAsConfigured({ contract, keys }: LivePublisherFlow, fixed: Fixed): boolean {
  const ports = contract.endpoints.map(({ port }) => port)
  return (
    (typeof fixed.ports === 'number'
      ? ports.length === fixed.ports
      : isDeepStrictEqual(ports, fixed.ports)) && isDeepStrictEqual(keys, fixed.keys)
  )
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
