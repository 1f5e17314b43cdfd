import type { types } from 'mediasoup'

/** A transport of mediasoup whose estimate is bounded, bits per second. */
type BoundedTransport = Pick<
  types.WebRtcTransport,
  'closed' | 'setMinOutgoingBitrate' | 'setMaxOutgoingBitrate'
>

/** mediasoup takes no ceiling of 0, and needs this much itself, kb/s. */
const LEAST_KBPS = 40

/**
 * The bounds that the worker's estimate of a transport moves between. The bounds also move the estimate: a ceiling takes
 * the estimate down at once, a floor holds it up, and a ceiling that rises makes the worker probe.
 */
export class TransportBounds {
  readonly #transport: BoundedTransport
  readonly #failed: (error: unknown) => void
  #ceilingKbps = 0
  #sent = { min: 0, max: 0 }

  constructor(transport: BoundedTransport, failed: (error: unknown) => void) {
    this.#transport = transport
    this.#failed = failed
  }

  /** The ceiling of all contracts together. No bound goes above it. */
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

  /** Keeps the estimate from falling below this, kb/s; 0 lets it fall. Small changes are left out. */
  keep(minKbps: number): void {
    if (minKbps > 0 && Math.abs(minKbps - this.#sent.min) < minKbps * 0.1) return
    this.#min(minKbps)
  }

  /**
   * Makes the worker send two short bursts at `goalKbps`, more than the `estimateKbps` that it told last. If the bursts
   * get through, the estimate is there at once. A ceiling that rises makes the worker probe, but for no more than the
   * ceiling before. And the worker ignores a rise to near 1.35 times the bitrate of all layers, because its ceiling goes
   * there by itself. It never ignores a lower ceiling. So the ceiling goes down to the estimate, up a little beyond the
   * goal, and down to the goal, where it stays until {@link open}.
   */
  probe(goalKbps: number, estimateKbps: number): void {
    const goal = Math.min(Math.round(goalKbps), this.#ceilingKbps - 1)
    this.#max(Math.floor(estimateKbps))
    this.#max(goal + 1)
    this.#max(goal)
  }

  /** Leaves only the contracts to bound the estimate: there is nothing to find out. */
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
