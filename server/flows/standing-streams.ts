import { isDeepStrictEqual } from 'node:util'
import { backoffMs } from '../../common/retry.ts'
import type { FlowKeys } from '../../common/wire/flow-contract.ts'
import type { AclRule } from '../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { type AuthenticatedPrincipal, UNPROVEN } from '../auth/principal.ts'
import type { ConfiguredStream } from '../config/config.ts'
import { type PublishDependencies, publish } from './publish.ts'
import { type LivePublisherFlow, ownerOf } from './publisher-flow.ts'

const RETRY = { initialMs: 1000, maxMs: 30_000, factor: 2 }
/** Renewed when this share of the contract's life is over. */
const RENEW_AT = 0.5

/** Who publishes the streams of the configuration: the hub itself, in the tenant of whoever names none. */
export const STANDING_PRINCIPAL: AuthenticatedPrincipal = {
  // No token can be issued to a name that begins so.
  id: '_configuration',
  role: 'publisher',
  tenant_id: DEFAULT_TENANT,
  ...UNPROVEN,
}

/** What a stream of the configuration has fixed where a contract would choose. */
export interface Fixed {
  readonly ports: readonly number[] | number
  readonly keys: FlowKeys
}

/** The rule that opens the configuration's public streams to everybody; null where there is none. */
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

/**
 * Keeps contracts for the streams of the configuration, as a sender would that asks by itself: granted by the same
 * policy, renewed at half their life, and asked for again when they were refused or revoked.
 */
export class StandingStreams implements Disposable {
  readonly #deps: PublishDependencies
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #onError: (streamId: string, error: unknown) => void
  #closed = false

  constructor(deps: PublishDependencies, onError: (streamId: string, error: unknown) => void) {
    this.#deps = deps
    this.#onError = onError
  }

  /**
   * Asks for every stream's contract; resolves when each was asked once. Contracts of before a restart end where the
   * configuration has other ports or keys now, or no such stream.
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
    await Promise.all(streams.map((stream) => this.#keep(stream, 0)))
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  async #keep(stream: ConfiguredStream, attempt: number): Promise<void> {
    let again = backoffMs(RETRY, attempt)
    let nextAttempt = attempt + 1
    try {
      const request = { stream_id: stream.stream_id, class: stream.class, preferred_transports: [] }
      const contract = await publish(this.#deps, STANDING_PRINCIPAL, DEFAULT_TENANT, request, fixedOf(stream))
      again = Math.max(1000, (contract.expires_at - this.#deps.now()) * RENEW_AT)
      nextAttempt = 0
    } catch (error) {
      this.#onError(stream.stream_id, error)
    }
    if (this.#closed) return
    this.#timers.set(
      stream.stream_id,
      setTimeout(() => void this.#keep(stream, nextAttempt), again),
    )
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
