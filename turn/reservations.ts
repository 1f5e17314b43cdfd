import { randomBytes } from 'node:crypto'
import type { RelaySocket } from './relay-ports.ts'

/** How long a port is kept, ms: RFC 8656, section 7.2 wants 30 s at least. */
const LIFE_MS = 30_000
export const RESERVATION_BYTES = 8
/** Most ports that are kept at a time, for one contract and for all. */
const MOST_OF_CONTRACT = 2
const MOST = 64

interface Reservation {
  readonly contract: string
  readonly relay: RelaySocket
  readonly expiresMs: number
}

/** Ports above even ones, kept for the client who asked for both. Times by a steady clock, ms. */
export class Reservations implements Disposable {
  readonly #kept = new Map<string, Reservation>()

  hasRoom(contract: string, nowMs: number): boolean {
    this.expire(nowMs)
    const own = Array.from(this.#kept.values()).filter((each) => each.contract === contract).length
    return own < MOST_OF_CONTRACT && this.#kept.size < MOST
  }

  /** @returns the token by which the port is taken */
  keep(relay: RelaySocket, contract: string, nowMs: number): Buffer {
    const token = randomBytes(RESERVATION_BYTES)
    this.#kept.set(token.toString('hex'), { contract, relay, expiresMs: nowMs + LIFE_MS })
    return token
  }

  /** @returns null for a token that is not this contract's, not known, or too old */
  take(token: Buffer, contract: string, nowMs: number): RelaySocket | null {
    this.expire(nowMs)
    const kept = this.#kept.get(token.toString('hex'))
    if (kept?.contract !== contract) return null
    this.#kept.delete(token.toString('hex'))
    return kept.relay
  }

  expire(nowMs: number): void {
    for (const [token, { expiresMs, relay }] of this.#kept) {
      if (expiresMs > nowMs) return
      this.#kept.delete(token)
      relay[Symbol.dispose]()
    }
  }

  [Symbol.dispose](): void {
    this.expire(Number.POSITIVE_INFINITY)
  }
}
