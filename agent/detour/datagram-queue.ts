/** Most bytes that wait, whatever their age: one second of 32 Mb/s. */
const MAX_BYTES = 4 * 1024 * 1024

interface Waiting {
  readonly link: number
  readonly datagram: Uint8Array
  readonly at: number
}

/**
 * Datagrams that wait to leave, oldest first. What waits for too long is dropped, as on a network: the receiver would
 * have given it up. Callers give the time, in ms of any steady clock.
 */
export class DatagramQueue {
  readonly #maxAgeMs: number
  #waiting: Waiting[] = []
  #first = 0
  #bytes = 0
  #dropped = 0

  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs
  }

  get empty(): boolean {
    return this.#first === this.#waiting.length
  }

  /** Datagrams that were dropped so far. */
  get dropped(): number {
    return this.#dropped
  }

  push(link: number, datagram: Uint8Array, nowMs: number): void {
    this.#waiting.push({ link, datagram, at: nowMs })
    this.#bytes += datagram.length
    this.#expire(nowMs)
  }

  /** The oldest datagram that is not too old, without taking it. */
  peek(nowMs: number): { readonly link: number; readonly datagram: Uint8Array } | undefined {
    this.#expire(nowMs)
    return this.#waiting[this.#first]
  }

  /** Takes the oldest one. */
  take(): void {
    const taken = this.#waiting[this.#first]
    if (!taken) return
    this.#first += 1
    this.#bytes -= taken.datagram.length
    if (this.#first > 64 && this.#first * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first)
      this.#first = 0
    }
  }

  #expire(nowMs: number): void {
    for (let oldest = this.#waiting[this.#first]; oldest; oldest = this.#waiting[this.#first]) {
      if (nowMs - oldest.at <= this.#maxAgeMs && this.#bytes <= MAX_BYTES) return
      this.take()
      this.#dropped += 1
    }
  }
}
