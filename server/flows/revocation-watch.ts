import type { Authenticator } from '../auth/authenticate.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import type { StandingSubscriptions } from './standing-subscriptions.ts'
import type { ViewerFlows } from './viewer-flows.ts'

/** How often contracts are searched at most, ms: tokens change often, and few changes end contracts. */
const LOOK_AFTER_MS = 100
/** Searches once more for contracts that were asked for just before and granted just after, ms. */
const LOOK_AGAIN_MS = 1000

export interface RevocationWatchOptions {
  readonly authenticator: Pick<Authenticator, 'isRevoked' | 'onChange'>
  readonly publishers: Pick<PublisherFlows, 'list' | 'end'>
  readonly viewers: Pick<ViewerFlows, 'list' | 'end'>
  readonly subscriptions: Pick<StandingSubscriptions, 'list' | 'end'>
  readonly onError: (error: unknown) => void
}

/**
 * Ends contracts, with their media, when the token or certificate behind them is revoked. A caller who renewed with a
 * newer token keeps the contract. A token that merely expired shows at the next renewal.
 */
export class RevocationWatch implements Disposable {
  readonly #options: RevocationWatchOptions
  readonly #stop: () => void
  #timer: NodeJS.Timeout | undefined
  #again: NodeJS.Timeout | undefined

  constructor(options: RevocationWatchOptions) {
    this.#options = options
    this.#stop = options.authenticator.onChange(() => {
      this.#timer ??= setTimeout(() => this.#look(), LOOK_AFTER_MS).unref()
      clearTimeout(this.#again)
      this.#again = setTimeout(() => this.#look(), LOOK_AGAIN_MS).unref()
    })
    // Finds contracts from before a restart whose tokens were revoked meanwhile.
    this.#look()
  }

  [Symbol.dispose](): void {
    this.#stop()
    clearTimeout(this.#timer)
    clearTimeout(this.#again)
  }

  #look(): void {
    this.#timer = undefined
    const { authenticator, publishers, viewers, subscriptions, onError } = this.#options
    for (const { proof, contract } of publishers.list())
      if (proof && authenticator.isRevoked(proof))
        publishers
          .end(contract.contract_id, 'revoked', 'hub', `its ${proof.credential} was revoked`)
          .catch(onError)
    for (const { proof, contractId } of viewers.list())
      if (proof && authenticator.isRevoked(proof)) viewers.end(contractId, 'revoked')
    for (const { proof, subscriptionId } of subscriptions.list())
      if (proof && authenticator.isRevoked(proof))
        subscriptions.end(subscriptionId, 'hub', `its ${proof.credential} was revoked`).catch(onError)
  }
}
