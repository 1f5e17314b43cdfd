import type { WorkerSlot } from '../worker-pool.ts'
import { Relay, type RelayDependencies } from './relay.ts'

/** The relays of all workers: each is made when the first publisher comes to its worker. */
export class Relays implements AsyncDisposable {
  readonly #relays = new Map<number, Relay>()
  readonly #takePort: () => number
  readonly #deps: RelayDependencies

  /** @param takePort takes a loopback port for one process */
  constructor(takePort: () => number, deps: RelayDependencies) {
    this.#takePort = takePort
    this.#deps = deps
  }

  /** @throws CodedError `ports_exhausted` (503) */
  at({ index }: WorkerSlot): Relay {
    const known = this.#relays.get(index)
    if (known) return known
    const relay = new Relay(this.#takePort(), this.#deps)
    this.#relays.set(index, relay)
    return relay
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#relays.values(), (relay) => relay[Symbol.asyncDispose]()))
  }
}
