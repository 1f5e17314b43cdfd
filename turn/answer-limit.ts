import type { Endpoint } from '../common/net/endpoint.ts'

/** Answers a second to strangers of one address over UDP. A hundred viewers behind one NAT who begin at once stay below. */
export const ANSWERS_PER_SECOND = 200
const BUCKETS = 4096

/**
 * How many answers strangers get. Anybody can write any sender's address on a datagram, so what goes there without proof
 * is bounded. Addresses share counters by chance, so the memory is laid out once.
 */
export class AnswerLimit {
  readonly #counts = new Uint16Array(BUCKETS)
  #second = 0

  allows(client: Endpoint, nowS: number): boolean {
    const second = Math.floor(nowS)
    if (second !== this.#second) {
      this.#second = second
      this.#counts.fill(0)
    }
    let hash = 0
    for (const byte of client.address) hash = (Math.imul(hash, 31) + byte) | 0
    const bucket = (hash >>> 0) % BUCKETS
    if (this.#counts[bucket]! >= ANSWERS_PER_SECOND) return false
    this.#counts[bucket]! += 1
    return true
  }
}
