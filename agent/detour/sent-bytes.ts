interface Sent {
  readonly at: number
  readonly bytes: number
}

/**
 * Knows since when the oldest bytes wait that a TCP connection has not got across: what was written last is what waits.
 * Callers give the time, in ms of any steady clock.
 */
export class SentBytes {
  readonly #allowedMs: number
  #writes: Sent[] = []

  /** @param allowedMs how long bytes may wait before it is congestion */
  constructor(allowedMs: number) {
    this.#allowedMs = allowedMs
  }

  sent(bytes: number, nowMs: number): void {
    this.#writes.push({ at: nowMs, bytes })
  }

  /**
   * @param waiting bytes that are not acknowledged now
   * @param roundTripMs how long an acknowledgement takes where nothing waits
   */
  congested(waiting: number, roundTripMs: number, nowMs: number): boolean {
    let newer = 0
    let first = this.#writes.length
    while (first > 0 && newer < waiting) {
      first -= 1
      newer += this.#writes[first]!.bytes
    }
    // What is before that has got across.
    this.#writes = this.#writes.slice(first)
    const oldest = this.#writes[0]
    return waiting > 0 && oldest !== undefined && nowMs - oldest.at > roundTripMs + this.#allowedMs
  }
}
