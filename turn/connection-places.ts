import type { AddressKey, Endpoint } from '../common/net/endpoint.ts'
import { ownerOf } from './allocations.ts'

/** How many connections each address may have, and all together. Of IPv6 a /64 counts as one address. */
export class ConnectionPlaces {
  readonly #ofAddress: number
  readonly #total: number
  readonly #taken = new Map<AddressKey, number>()
  #size = 0

  constructor(ofAddress: number, total: number) {
    this.#ofAddress = ofAddress
    this.#total = total
  }

  /** @returns gives the place back, once; null where there is no place */
  take(client: Endpoint): (() => void) | null {
    const key = ownerOf(client)
    const taken = this.#taken.get(key) ?? 0
    if (taken >= this.#ofAddress || this.#size >= this.#total) return null
    this.#taken.set(key, taken + 1)
    this.#size += 1
    return () => {
      const left = this.#taken.get(key)! - 1
      if (left === 0) this.#taken.delete(key)
      else this.#taken.set(key, left)
      this.#size -= 1
    }
  }
}
