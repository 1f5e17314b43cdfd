import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** How long a nonce is good, s. Clients get a new one by an answer 438, which costs them one round trip. */
export const NONCE_LIFE_S = 600

/**
 * RFC 8489, section 9.2: a nonce that begins so tells which features the server has, which nobody in between can hide.
 * `AAAB` is bit 0 of 24: password algorithms. Bits count from the right (erratum 6290).
 */
const COOKIE = 'obMatJos2AAAB'
const TIME_BYTES = 3
const MAC_BYTES = 6
const TIMES = 2 ** (TIME_BYTES * 8)

export type NonceState = 'good' | 'stale' | 'foreign'

/**
 * Nonces that nobody has to remember: the time, and a MAC over the time and the client's address. A short nonce has 12
 * bytes, so that the first answer over UDP stays within twice the request. A nonce of the long form offers SHA-256 too.
 */
export class Nonces {
  readonly #key = randomBytes(32)

  /** @param client IP address; @param nowS of a steady clock */
  make(client: string, nowS: number, offersAlgorithms: boolean): string {
    const time = Buffer.alloc(TIME_BYTES)
    time.writeUIntBE(Math.floor(nowS) % TIMES, 0, TIME_BYTES)
    const cookie = offersAlgorithms ? COOKIE : ''
    return cookie + Buffer.concat([time, this.#mac(client, time, cookie)]).toString('base64url')
  }

  /** Whether a nonce with the cookie offered algorithms: the client must then repeat what was offered. */
  offersAlgorithms(nonce: string): boolean {
    return nonce.startsWith(COOKIE)
  }

  judge(nonce: string, client: string, nowS: number): NonceState {
    const cookie = this.offersAlgorithms(nonce) ? COOKIE : ''
    const bytes = Buffer.from(nonce.slice(cookie.length), 'base64url')
    if (bytes.length !== TIME_BYTES + MAC_BYTES || bytes.toString('base64url') !== nonce.slice(cookie.length))
      return 'foreign'
    const time = bytes.subarray(0, TIME_BYTES)
    if (!timingSafeEqual(this.#mac(client, time, cookie), bytes.subarray(TIME_BYTES))) return 'foreign'
    const age = (Math.floor(nowS) - time.readUIntBE(0, TIME_BYTES) + TIMES) % TIMES
    return age <= NONCE_LIFE_S ? 'good' : 'stale'
  }

  #mac(client: string, time: Buffer, cookie: string): Buffer {
    const mac = createHmac('sha256', this.#key)
      .update(time)
      .update(cookie)
      .update('|')
      .update(client)
      .digest()
    return mac.subarray(0, MAC_BYTES)
  }
}
