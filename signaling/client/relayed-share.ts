import type { ReceiveCounters } from './receive-statistics.ts'

/** The share of a viewer's media that came through a relay, since its transport was made. */
export class RelayedShare {
  #relayed = 0
  #all = 0

  /** What came between two readings counts to the path at their end. */
  add(before: ReceiveCounters, after: ReceiveCounters): void {
    const bytes = bytesOf(after) - bytesOf(before)
    if (bytes <= 0) return
    this.#all += bytes
    if (after.relay !== null) this.#relayed += bytes
  }

  /** 0 to 1 */
  get value(): number {
    return this.#all === 0 ? 0 : this.#relayed / this.#all
  }
}

const bytesOf = ({ videoBytes, audioBytes }: ReceiveCounters) => videoBytes + audioBytes
