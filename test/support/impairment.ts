/** What one direction of a link does to its packets. */
export interface Impairment {
  /** One-way delay, in ms. */
  readonly delayMs: number
  /** Added to the delay of each packet, uniform from 0 to this, in ms; packets keep their order. */
  readonly jitterMs: number
  /** Probability that a packet is lost, 0 to 1, each by itself. */
  readonly loss: number
  /**
   * Loss in bursts (Gilbert-Elliott): a packet turns a good link bad with probability `enter`, a bad one good
   * with `leave`; on a bad link packets are lost with probability `loss`.
   */
  readonly burst: { readonly enter: number; readonly leave: number; readonly loss: number } | null
  /** Probability that a packet is held back by `extraMs`, so that later packets overtake it. */
  readonly reorder: { readonly rate: number; readonly extraMs: number } | null
  /** Probability that a packet is delivered twice. */
  readonly duplicate: number
  /** Capacity, in kb/s of UDP payload, or null for no limit. */
  readonly rateKbps: number | null
  /** Longest wait of a packet for capacity, ms. A packet that would wait longer is dropped. */
  readonly queueMs: number
  /** Drops everything. */
  readonly blackhole: boolean
}

export const UNIMPAIRED: Impairment = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  burst: null,
  reorder: null,
  duplicate: 0,
  rateKbps: null,
  queueMs: 200,
  blackhole: false,
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Decides what happens to each packet of one direction. Pure except for its random numbers; times in ms. */
export class Impairer {
  #impairment: Impairment
  readonly #random: () => number
  #bad = false
  #busyUntil = 0
  #lastDue = 0

  constructor(impairment: Impairment, random: () => number) {
    this.#impairment = impairment
    this.#random = random
  }

  set(impairment: Impairment): void {
    this.#impairment = impairment
  }

  /** When copies of a packet of `bytes` that came at `nowMs` must be delivered; none for a lost packet. */
  judge(bytes: number, nowMs: number): number[] {
    const { blackhole, duplicate } = this.#impairment
    if (blackhole || this.#isLost()) return []
    const first = this.#due(bytes, nowMs)
    if (first === undefined) return []
    if (duplicate === 0 || this.#random() >= duplicate) return [first]
    const second = this.#due(bytes, nowMs)
    return second === undefined ? [first] : [first, second]
  }

  #isLost(): boolean {
    const { loss, burst } = this.#impairment
    if (loss > 0 && this.#random() < loss) return true
    if (!burst) return false
    this.#bad = this.#bad ? this.#random() >= burst.leave : this.#random() < burst.enter
    return this.#bad && this.#random() < burst.loss
  }

  #due(bytes: number, nowMs: number): number | undefined {
    const { rateKbps, queueMs, delayMs, jitterMs, reorder } = this.#impairment
    let departs = nowMs
    if (rateKbps !== null) {
      const starts = Math.max(nowMs, this.#busyUntil)
      if (starts - nowMs > queueMs) return undefined
      departs = starts + (bytes * 8) / rateKbps
      this.#busyUntil = departs
    }
    const due = departs + delayMs + (jitterMs > 0 ? this.#random() * jitterMs : 0)
    if (reorder && this.#random() < reorder.rate) return due + reorder.extraMs
    this.#lastDue = Math.max(due, this.#lastDue)
    return this.#lastDue
  }
}
