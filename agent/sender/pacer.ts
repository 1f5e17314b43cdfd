import { MAX_PAYLOAD } from './bonded-sender.ts'

/** What may leave, on all paths together. */
export interface PacingLimit {
  /** kb/s on the wire. */
  readonly kbps: number
  /** The longest stretch of media that may leave at line rate, ms at `kbps`. */
  readonly burstMs: number
}

export interface PacerOptions {
  /** Sends `ts` from `start` to `end`, one RIST packet. The buffer is the pacer's. */
  readonly send: (ts: Buffer, start: number, end: number) => void
  /** A write waited too long and is not sent, or not to its end. */
  readonly late?: (ts: Buffer) => void
}

/** On the wire with each RIST packet: IPv6, UDP, GRE with key and sequence number, RTP (VSF TR-06-2). */
export const HEADERS_BYTES = 80
const PACKET_BYTES = MAX_PAYLOAD + HEADERS_BYTES
/** Of a burst that is granted, this share leaves at once. The rest is for librist's thread, which may wake late. */
const BURST_SHARE = 0.5
/** A write that waits for longer gives way: the encoder makes more than may leave, and live media is worth nothing later. */
export const MAX_WAIT_MS = 1000

/**
 * Spreads what is written: after a burst, packets leave at the limit's rate, evenly. Without a limit everything leaves at
 * once. Its owner writes on one thread, and packets leave in their order.
 */
export class Pacer implements Disposable {
  readonly #options: PacerOptions
  readonly #bucket = new WireBudget()
  /** What waits, oldest first, with the time of its writing. */
  readonly #queue: { readonly ts: Buffer; readonly at: number }[] = []
  /** Where the oldest one goes on. */
  #from = 0
  #waitingBytes = 0
  #dropped = 0
  #limit: PacingLimit | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(options: PacerOptions) {
    this.#options = options
  }

  /** How long the last write waits until it leaves, ms. */
  get waitingMs(): number {
    return this.#limit ? (this.#waitingBytes * 8) / this.#limit.kbps : 0
  }

  /** Writes that were given up. */
  get dropped(): number {
    return this.#dropped
  }

  /** @param limit null: everything leaves at once */
  limit(limit: PacingLimit | null): void {
    this.#limit = limit
    if (limit) this.#bucket.limit(limit, performance.now())
    this.#release()
  }

  /** Takes whole TS packets, and sends as many of them as may leave now. The buffer may not change afterwards. */
  write(ts: Buffer): void {
    this.#queue.push({ ts, at: performance.now() })
    this.#waitingBytes += ts.length
    if (!this.#timer) this.#release()
  }

  /** Forgets what waits. */
  clear(): void {
    this.#queue.length = 0
    this.#from = 0
    this.#waitingBytes = 0
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }

  [Symbol.dispose](): void {
    this.clear()
  }

  #release(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const now = performance.now()
    this.#giveUp(now)
    for (let first = this.#queue[0]; first; first = this.#queue[0]) {
      const { ts } = first
      const end = Math.min(ts.length, this.#from + MAX_PAYLOAD)
      const waitMs = this.#limit ? this.#bucket.take(end - this.#from + HEADERS_BYTES, now) : 0
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#release(), waitMs)
        return
      }
      this.#options.send(ts, this.#from, end)
      this.#waitingBytes -= end - this.#from
      this.#from = end
      if (end === ts.length) this.#next()
    }
  }

  #giveUp(now: number): void {
    for (let first = this.#queue[0]; first && now - first.at > MAX_WAIT_MS; first = this.#queue[0]) {
      this.#waitingBytes -= first.ts.length - this.#from
      this.#dropped += 1
      this.#options.late?.(first.ts)
      this.#next()
    }
  }

  #next(): void {
    this.#queue.shift()
    this.#from = 0
  }
}

/** Bytes that may leave now. They fill up evenly to those of a burst, of one packet at least. */
class WireBudget {
  #perMs = 0
  #most = 0
  #left = 0
  #at = 0

  limit({ kbps, burstMs }: PacingLimit, nowMs: number): void {
    const isFirst = this.#perMs === 0
    this.#fill(nowMs)
    this.#perMs = kbps / 8
    this.#most = Math.max(PACKET_BYTES, this.#perMs * burstMs * BURST_SHARE)
    this.#left = isFirst ? this.#most : Math.min(this.#left, this.#most)
  }

  /** Takes so much, or nothing where there is less. @returns how long until there is enough, ms; 0 when it was taken */
  take(bytes: number, nowMs: number): number {
    this.#fill(nowMs)
    if (this.#left < bytes) return (bytes - this.#left) / this.#perMs
    this.#left -= bytes
    return 0
  }

  #fill(nowMs: number): void {
    this.#left = Math.min(this.#most, this.#left + (nowMs - this.#at) * this.#perMs)
    this.#at = nowMs
  }
}
