import { isDeepStrictEqual } from 'node:util'
import { pause } from '../../common/retry.ts'
import type { NodeConfig } from '../../common/wire/node-config.ts'
import type { ConfigTarget } from '../config/config-keeper.ts'

/** What the hub was told of uplinks is in its directory by then, ms. */
const DECLARED_MS = 200

export interface UplinksFirstOptions {
  readonly target: Required<ConfigTarget>
  /** The document that holds now. */
  readonly present: () => NodeConfig
  /** Looks for the uplinks of the document that holds, or is about to, and tells the hub. */
  readonly look: () => Promise<void>
  /** Whether the hub is heard. */
  readonly online: () => boolean
}

/**
 * Lets the hub know the uplinks of a document before its broadcasts ask for contracts: a contract has an endpoint for each
 * link that the hub knows, for as long as it runs.
 */
export class UplinksFirst implements Required<ConfigTarget> {
  readonly #options: UplinksFirstOptions
  #next: NodeConfig | null = null

  constructor(options: UplinksFirstOptions) {
    this.#options = options
  }

  /** The document by which uplinks are known. */
  get config(): NodeConfig {
    return this.#next ?? this.#options.present()
  }

  async configure(config: NodeConfig): Promise<void> {
    const { target, present, look, online } = this.#options
    const { uplinks, not_uplinks } = present()
    const isOther = !isDeepStrictEqual([uplinks, not_uplinks], [config.uplinks, config.not_uplinks])
    this.#next = config
    try {
      if (isOther) {
        await look()
        if (online()) await pause(DECLARED_MS)
      }
      await target.configure(config)
    } catch (thrown) {
      this.#next = null
      if (isOther) await look()
      throw thrown
    }
    this.#next = null
  }

  resume(config: NodeConfig): Promise<void> {
    return this.#options.target.resume(config)
  }
}
