import { loadRist } from '../../common/rist/librist.ts'
import type { LinkStats } from './rist-stats.ts'

/** Two 32-bit numbers for each socket. */
const PAIR_BYTES = 8
/** A receiver has a socket for each link, and a second one where librist opens one. */
const MOST_SOCKETS = 64

/**
 * Counts the datagrams that have arrived on each link since a receiver began. librist tells them once a second, and must
 * not be asked more often: it takes a short interval with many missing packets for the end of a flow, and forgets what it
 * misses. Where librist runs in batches, that library counts each datagram.
 */
export class ArrivalCounts {
  readonly #ports: readonly number[]
  readonly #told: number[]
  readonly #out = Buffer.alloc(MOST_SOCKETS * PAIR_BYTES)

  constructor(ports: readonly number[]) {
    this.#ports = ports
    this.#told = ports.map(() => 0)
  }

  /** Takes librist's own counts of the last second. */
  take(links: readonly LinkStats[]): void {
    for (const { port, received, reports } of links) {
      const link = this.#ports.indexOf(port)
      if (link !== -1) this.#told[link]! += received + reports
    }
  }

  /** Datagrams by link, in the order of the ports. */
  get packets(): number[] {
    const { batches } = loadRist()
    if (!batches) return [...this.#told]
    const packets = this.#ports.map(() => 0)
    const sockets = Number(batches.arrivals(this.#out, MOST_SOCKETS))
    for (let at = 0; at < sockets * PAIR_BYTES; at += PAIR_BYTES) {
      const link = this.#ports.indexOf(this.#out.readUInt32LE(at))
      if (link !== -1) packets[link]! += this.#out.readUInt32LE(at + 4)
    }
    return packets
  }
}
