import type { Authenticator } from '../auth/authenticate.ts'
import type { PublisherFlows } from './publisher-flows.ts'
import type { ViewerFlows } from './viewer-flows.ts'

/** Tokens change often, and not often for the worse: contracts are looked through at most this often, ms. */
const LOOK_AFTER_MS = 100
/** And once more for what was asked for just before and granted just after, ms. */
const LOOK_AGAIN_MS = 1000

export interface RevocationWatchOptions {
  readonly authenticator: Pick<Authenticator, 'isRevoked' | 'onChange'>
  readonly publishers: Pick<PublisherFlows, 'list' | 'end'>
  readonly viewers: Pick<ViewerFlows, 'list' | 'end'>
  readonly onError: (error: unknown) => void
}

/**
 * Ends the contracts of whoever's token or certificate was revoked, and their media with them. Who renewed with a newer
 * token keeps theirs; a token that merely expired is missed at the next renewal.
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
    // Contracts of before a restart, of tokens that were revoked meanwhile.
    this.#look()
  }

  [Symbol.dispose](): void {
    this.#stop()
    clearTimeout(this.#timer)
    clearTimeout(this.#again)
  }

  #look(): void {
    this.#timer = undefined
    const { authenticator, publishers, viewers, onError } = this.#options
    for (const { proof, contract } of publishers.list())
      if (proof && authenticator.isRevoked(proof))
        publishers
          .end(contract.contract_id, 'revoked', 'hub', `its ${proof.credential} was revoked`)
          .catch(onError)
    for (const { proof, contractId } of viewers.list())
      if (proof && authenticator.isRevoked(proof)) viewers.end(contractId, 'revoked')
  }
}
