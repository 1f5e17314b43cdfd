import { randomInt } from 'node:crypto'
import type { Endpoint } from '../common/net/endpoint.ts'

/** Answers a second to strangers of one address over UDP. A hundred viewers behind one NAT who begin at once stay below. */
export const ANSWERS_PER_SECOND = 200
const BUCKET_BITS = 12

/**
 * How many answers strangers get. Anybody can write any sender's address on a datagram, so what goes there without proof
 * is bounded. Addresses share counters by chance, so the memory is laid out once. Nobody can choose an address that shares
 * another's counter: each process counts from a number of its own.
 */
export class AnswerLimit {
  readonly #counts = new Uint16Array(2 ** BUCKET_BITS)
  readonly #seed = randomInt(2 ** 32)
  #second = 0

  allows(client: Endpoint, nowS: number): boolean {
    const second = Math.floor(nowS)
    if (second !== this.#second) {
      this.#second = second
      this.#counts.fill(0)
    }
    let hash = this.#seed | 0
    for (const byte of client.address) hash = Math.imul(hash ^ byte, 0x01000193) | 0
    const bucket = hash >>> (32 - BUCKET_BITS)
    if (this.#counts[bucket]! >= ANSWERS_PER_SECOND) return false
    this.#counts[bucket]! += 1
    return true
  }
}
