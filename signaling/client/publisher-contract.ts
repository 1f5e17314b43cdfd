import { type FlowContract, flowContractSchema } from '../../common/wire/flow-contract.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { LaneInput } from '../../common/wire/switched-inputs.ts'
import { type ClockOffset, localUnixMs } from './clock-offset.ts'
import { askHub } from './hub-request.ts'

/** A contract is renewed when this share of its remaining life is over... */
const RENEW_AT = 0.5
/** ...and not more often than this, ms. */
const RENEW_NEVER_BEFORE_MS = 1000

export interface PublisherOptions {
  /** The hub's address, for instance `https://hub.example:9415`. */
  readonly hubUrl: string
  readonly streamId: string
  readonly streamClass?: StreamClass
  /** Which of several publishers of the stream this is; left out where it is the only one. */
  readonly input?: LaneInput
  /** `always`: media goes through a relay only. `needed`: direct paths were tried and failed. */
  readonly relay?: 'always' | 'needed'
  /** Returns the present bearer token, before each request. */
  readonly token?: () => string | null
}

/** The contract by which a stream is published: asked for, changed by the hub, and renewed in time while it is used. */
export class PublisherContract {
  readonly #options: PublisherOptions
  readonly #clock: ClockOffset
  readonly #changed: (contract: FlowContract) => void
  #granted: FlowContract | null = null
  #used = false
  #renewal: ReturnType<typeof setTimeout> | undefined

  /** @param clock the hub's time @param changed gets each contract that differs from the one before */
  constructor(options: PublisherOptions, clock: ClockOffset, changed: (contract: FlowContract) => void) {
    this.#options = options
    this.#clock = clock
    this.#changed = changed
  }

  /** The last contract from the hub; null before the first. */
  get granted(): FlowContract | null {
    return this.#granted
  }

  set granted(contract: FlowContract) {
    this.#granted = contract
    this.#changed(contract)
  }

  /**
   * Asks for a contract, or for more time for the present contract.
   * @throws HubRefusal, or an Error that says why there is no answer
   */
  async ask(): Promise<FlowContract> {
    const { hubUrl, streamId, streamClass, input, relay, token } = this.#options
    const body = {
      stream_id: streamId,
      preferred_transports: ['webrtc'],
      ...(streamClass !== undefined && { class: streamClass }),
      ...(input !== undefined && { input }),
      ...(relay !== undefined && { intent: { relay } }),
    }
    const asked = { hubUrl, path: '/v1/publish', token: token?.() ?? null, body }
    const contract = await askHub(asked, flowContractSchema)
    this.granted = contract
    return contract
  }

  /** Remaining time of the contract, ms, by the hub's clock as far as that is known; 0 without one. */
  get leftMs(): number {
    return (this.#granted?.expires_at ?? 0) - localUnixMs() - (this.#clock.offsetMs ?? 0)
  }

  /** Renews the contract in time from now on, until {@link release}. */
  use(): void {
    this.#used = true
    clearTimeout(this.#renewal)
    const wait = Math.max(RENEW_NEVER_BEFORE_MS, this.leftMs * RENEW_AT)
    this.#renewal = setTimeout(() => {
      // After a refusal the contract runs on until it expires. The next attempt then says why.
      this.ask()
        .catch(() => {})
        .finally(() => {
          if (this.#used) this.use()
        })
    }, wait)
  }

  /** Lets the contract run out. */
  release(): void {
    this.#used = false
    clearTimeout(this.#renewal)
  }
}
