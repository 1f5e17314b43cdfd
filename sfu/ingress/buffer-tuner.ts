/** The recovery buffer a stream may have: `rttMultiple` x RTT, held between `minMs` and `maxMs`. */
export interface BufferRange {
  readonly minMs: number
  readonly maxMs: number
  /** Number of retransmissions that fit: 4 recovers up to 10 % loss, 6 up to 20 %. */
  readonly rttMultiple: number
}

/** One second of a flow, as far as the buffer is concerned. */
export interface BufferEvidence {
  /** RTT of the slowest link that delivers, ms. */
  readonly rttMs: number
  /** Packets that never came in time. */
  readonly lost: number
}

/** librist's RTT is a moving average that starts low. After this many seconds of a flow it is right enough. */
const SETTLES_AFTER = 2
/** Smallest change worth making, ms: a change of the buffer interrupts the stream for a third of a second. */
const WORTH_MS = 15
/** Seconds between two changes of a stream that plays. */
const REST_SECONDS = 30

/**
 * Finds the recovery buffer that fits a flow's RTT. librist fixes the buffer when a receiver opens, so a change costs a
 * short gap. The buffer is changed once when a flow begins, and later only grows, when packets are really lost.
 */
export class BufferTuner {
  readonly #range: BufferRange
  #bufferMs: number
  #seconds = 0
  #changedAt = Number.NEGATIVE_INFINITY

  constructor(range: BufferRange, startMs: number) {
    this.#range = range
    this.#bufferMs = Math.min(range.maxMs, Math.max(range.minMs, startMs))
  }

  /** The buffer to use now, ms. */
  get bufferMs(): number {
    return this.#bufferMs
  }

  /** Another sender or another network: learns again. */
  restart(): void {
    this.#seconds = 0
    this.#changedAt = Number.NEGATIVE_INFINITY
  }

  /** Takes one second's evidence. Returns true when the buffer changed and the receiver must open again. */
  observe({ rttMs, lost }: BufferEvidence): boolean {
    this.#seconds += 1
    const wanted = this.#wanted(rttMs)
    const worth = Math.abs(wanted - this.#bufferMs) >= WORTH_MS
    const begins = this.#seconds === SETTLES_AFTER
    const suffers = lost > 0 && wanted > this.#bufferMs && this.#seconds - this.#changedAt >= REST_SECONDS
    if (!worth || !(begins || suffers)) return false
    this.#bufferMs = wanted
    this.#changedAt = this.#seconds
    return true
  }

  #wanted(rttMs: number): number {
    const { minMs, maxMs, rttMultiple } = this.#range
    return Math.round(Math.min(maxMs, Math.max(minMs, rttMultiple * rttMs)))
  }
}
