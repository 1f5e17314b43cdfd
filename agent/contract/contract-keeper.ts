import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { backoffMs, pause } from '../../common/retry.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { publishRequestSchema } from '../../common/wire/flows-api.ts'
import type { LinkArrivals } from '../../common/wire/link-arrivals.ts'
import type { LayerDemand, WayReport } from '../../common/wire/publisher-protocol.ts'
import { type Grant, type HubClient, HubRefusal } from '../node/hub-client.ts'
import { ControlChannel, type DirectServer } from './control-channel.ts'

/** A hub that does not answer is mostly restarting. A hub that refuses mostly goes on refusing. */
const UNREACHABLE = { initialMs: 250, maxMs: 5_000, factor: 2 }
const REFUSED = { initialMs: 1_000, maxMs: 30_000, factor: 2 }
/** Wait after somebody ended the contract on purpose, ms. */
const REVOKED_MS = 30_000
/** A contract is renewed when this share of its life is over. */
const RENEW_AT = 0.5

/** Why a contract is over. `lost`: the hub does not know the contract. */
export type ContractEnd = 'expired' | 'revoked' | 'lost'

/** The sender that uses the contract. */
export interface ContractHolder {
  /** A new contract, or a newer version of the running one. Send by it from now on. */
  granted(contract: FlowContract): void
  /** The contract is over: stop sending. */
  ended(reason: ContractEnd): void
  /** The hub refuses, or does not answer. The keeper asks again in `againMs`. A running contract goes on. */
  refused?(error: HubRefusal, againMs: number): void
  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all. Left out by senders that can't. */
  keyframeRequested?(rendition: number | null): void
  /** What anybody watches; everything while the hub can't say. */
  demanded?(demand: LayerDemand): void
  /** What has arrived at the hub on each link, by the contract's endpoints. */
  arrived?(arrivals: LinkArrivals): void
  /** Whether the hub is heard on its channel, told within a second: only then IDRs are asked for where they are needed. */
  controlHeard?(heard: boolean): void
  /** Serves viewers of this network; left out by senders that do not. */
  readonly direct?: DirectServer
}

/**
 * Keeps a stream's contract from `constructor` to disposal: asks for it, hears its news, renews it, and asks again when
 * it is over, whatever happens to the hub in between.
 */
export class ContractKeeper implements AsyncDisposable {
  readonly #client: HubClient
  readonly #request: z.input<typeof publishRequestSchema>
  readonly #holder: ContractHolder
  readonly #publisherId = randomUUID()
  #channel: ControlChannel | null = null
  #ways: WayReport | null = null
  readonly #stop = new AbortController()
  readonly #running: Promise<void>

  /** @param after the hub is asked for nothing before this */
  constructor(
    client: HubClient,
    request: z.input<typeof publishRequestSchema>,
    holder: ContractHolder,
    after: Promise<void> = Promise.resolve(),
  ) {
    this.#client = client
    this.#request = request
    this.#holder = holder
    const { signal } = this.#stop
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    const begun = Promise.race([after, stopped]).then(() => this.#run(signal))
    this.#running = begun.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error
    })
  }

  /** Tells the hub how the links of the running contract reach it. */
  tellWays(ways: WayReport): void {
    this.#ways = ways
    this.#channel?.tellWays(ways)
  }

  /** Ends for good: the contract is given back. */
  async end(): Promise<void> {
    const channel = this.#channel
    this.#stop.abort()
    await channel?.unpublish()
    await this.#running
  }

  /** The contract is not given back: a sender that starts again soon gets it again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    let lostInARow = 0
    for (;;) {
      signal.throwIfAborted()
      const grant = await this.#untilAnswered(() => this.#client.publish(this.#request, signal), signal)
      const reason = await this.#hold(grant, signal)
      this.#holder.ended(reason)
      lostInARow = reason === 'lost' ? lostInARow + 1 : 0
      if (reason === 'revoked') await pause(REVOKED_MS, signal)
      else if (lostInARow > 1) await pause(backoffMs(REFUSED, lostInARow), signal)
    }
  }

  /** Holds a contract until it is over. */
  async #hold(grant: Grant, signal: AbortSignal): Promise<ContractEnd> {
    const over = new AbortController()
    const held = new HeldContract(grant)
    this.#holder.granted(grant.contract)
    const take = (next: Grant): void => {
      if (held.take(next)) this.#holder.granted(next.contract)
    }
    const told = Promise.withResolvers<ContractEnd>()
    await using channel = this.#control(grant.contract, take, told.resolve)
    this.#channel = channel
    if (this.#ways) channel.tellWays(this.#ways)
    const either = AbortSignal.any([signal, over.signal])
    try {
      return await Promise.race([
        told.promise,
        this.#listen(held, channel, take, either),
        this.#renew(held, take, either),
      ])
    } finally {
      this.#channel = null
      this.#ways = null
      over.abort()
    }
  }

  /** The hub's channel to this sender, as long as the contract runs. */
  #control(
    { join }: FlowContract,
    take: (next: Grant) => void,
    ended: (reason: ContractEnd) => void,
  ): ControlChannel {
    const holder = this.#holder
    return new ControlChannel(
      {
        hubUrl: this.#client.hubUrl,
        tls: this.#client.identity,
        join,
        publisherId: this.#publisherId,
        keyframesOnRequest: holder.keyframeRequested !== undefined,
      },
      {
        contract: (contract) => take(this.#client.grantOf(contract)),
        ended,
        keyframeRequested: (rendition) => holder.keyframeRequested?.(rendition),
        demanded: (demand) => holder.demanded?.(demand),
        arrived: (arrivals) => holder.arrived?.(arrivals),
        heard: (heard) => holder.controlHeard?.(heard),
        direct: holder.direct,
      },
    )
  }

  /** Asks for news while none come by the control channel. */
  async #listen(
    held: HeldContract,
    channel: ControlChannel,
    take: (next: Grant) => void,
    signal: AbortSignal,
  ): Promise<ContractEnd> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    // The outcome of the channel's first attempt is known soon.
    await Promise.race([channel.changed, aborted])
    for (;;) {
      signal.throwIfAborted()
      if (channel.live) {
        await Promise.race([channel.changed, aborted])
        continue
      }
      const news = await this.#untilAnswered(async () => {
        try {
          return await this.#client.next(held.contractId, held.version, signal)
        } catch (error) {
          if (error instanceof HubRefusal && error.status === 404) return 'lost'
          throw error
        }
      }, signal)
      if (news === 'lost') return news
      if (news?.type === 'ended') return news.reason
      if (news) take(news.grant)
    }
  }

  /** Renews as long as there is something to renew, and ends with the contract. */
  async #renew(held: HeldContract, take: (next: Grant) => void, signal: AbortSignal): Promise<ContractEnd> {
    for (let failures = 0; ; ) {
      const { renewInMs, leftMs } = held
      if (leftMs <= 0) return 'expired'
      if (renewInMs > 0) {
        await pause(Math.min(renewInMs, leftMs), signal)
        continue
      }
      try {
        const grant = await this.#client.renew(held.contractId, signal)
        // The contract ended at that very moment, and the hub began another: `publish` answers with the new one.
        if (grant.contract.contract_id !== held.contractId) return 'lost'
        take(grant)
        failures = 0
      } catch (error) {
        // The listener learns first whether the contract is gone.
        await pause(Math.min(this.#waitAfter(error, failures++), Math.max(0, held.leftMs)), signal)
      }
    }
  }

  async #untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let failures = 0; ; ) {
      try {
        return await ask()
      } catch (error) {
        await pause(this.#waitAfter(error, failures++), signal)
      }
    }
  }

  #waitAfter(error: unknown, failures: number): number {
    if (!(error instanceof HubRefusal)) throw error
    const backoff = error.code === 'hub_unreachable' ? UNREACHABLE : REFUSED
    const againMs = Math.max(error.retryAfterMs, backoffMs(backoff, failures))
    this.#holder.refused?.(error, againMs)
    return againMs
  }
}

/** The newest version of one contract, with its times by this machine's steady clock. */
class HeldContract {
  #contract: FlowContract
  #renewAt = 0
  #endsAt = 0

  constructor(grant: Grant) {
    this.#contract = grant.contract
    this.#start(grant)
  }

  get contractId(): string {
    return this.#contract.contract_id
  }

  get version(): number {
    return this.#contract.version
  }

  get renewInMs(): number {
    return this.#renewAt - performance.now()
  }

  get leftMs(): number {
    return this.#endsAt - performance.now()
  }

  /** False for a version that is known already: a renewal comes both as an answer and as news. */
  take(grant: Grant): boolean {
    if (grant.contract.version <= this.version) return false
    this.#contract = grant.contract
    this.#start(grant)
    return true
  }

  #start({ lifeMs }: Grant): void {
    this.#renewAt = performance.now() + lifeMs * RENEW_AT
    this.#endsAt = performance.now() + lifeMs
  }
}
