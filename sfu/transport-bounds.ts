import type { types } from 'mediasoup'

/** mediasoup takes no ceiling of 0, and none below what it needs to live; kb/s. */
const LEAST_KBPS = 40

/**
 * The bounds that the worker's estimate of a transport moves between. Setting them is also how the estimate is moved:
 * a ceiling takes it down at once, a floor holds it up, and a ceiling that rises makes the worker probe for it.
 */
export class TransportBounds {
  readonly #transport: types.WebRtcTransport
  readonly #failed: (error: unknown) => void
  #ceilingKbps = 0
  #sent = { min: 0, max: 0 }

  constructor(transport: types.WebRtcTransport, failed: (error: unknown) => void) {
    this.#transport = transport
    this.#failed = failed
  }

  /** Of all contracts together; what is set here never goes above it. */
  get ceilingKbps(): number {
    return this.#ceilingKbps
  }

  set ceilingKbps(kbps: number) {
    if (kbps === this.#ceilingKbps) return
    this.#ceilingKbps = kbps
    this.#max(kbps)
  }

  /** Holds the estimate between these, kb/s: the link was just seen to carry about `maxKbps`. */
  pin(minKbps: number, maxKbps: number): void {
    this.#min(0)
    this.#max(maxKbps)
    this.#min(Math.min(minKbps, maxKbps))
  }

  /** The estimate does not fall below this, kb/s; 0 lets it fall as far as it will. Small changes are left out. */
  keep(minKbps: number): void {
    if (minKbps > 0 && Math.abs(minKbps - this.#sent.min) < minKbps * 0.1) return
    this.#min(minKbps)
  }

  /**
   * Makes the worker send two short bursts at `goalKbps`: if they get through, the estimate is there at once. It probes
   * for a ceiling that is another one than before, which therefore stays about there until {@link open}.
   */
  probe(goalKbps: number): void {
    const goal = Math.round(goalKbps)
    // It probes only for what lies above the estimate, and below the ceiling of before.
    if (this.#sent.max <= goal) this.#max(goal + 1)
    this.#max(goal)
  }

  /** Nothing is to be found out: only the contracts bound the estimate. */
  open(): void {
    this.#max(this.#ceilingKbps)
  }

  #min(kbps: number): void {
    const min = Math.round(Math.min(kbps, this.#sent.max))
    if (min === this.#sent.min) return
    this.#sent.min = min
    this.#send(this.#transport.setMinOutgoingBitrate(min * 1000))
  }

  #max(kbps: number): void {
    const max = Math.round(Math.max(LEAST_KBPS, this.#sent.min, Math.min(kbps, this.#ceilingKbps)))
    if (max === this.#sent.max) return
    this.#sent.max = max
    this.#send(this.#transport.setMaxOutgoingBitrate(max * 1000))
  }

  #send(request: Promise<void>): void {
    request.catch((error) => {
      if (!this.#transport.closed) this.#failed(error)
    })
  }
}
