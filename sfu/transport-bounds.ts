import type { types } from 'mediasoup'

/** What is bounded: a transport of mediasoup, bits per second. */
type BoundedTransport = Pick<
  types.WebRtcTransport,
  'closed' | 'setMinOutgoingBitrate' | 'setMaxOutgoingBitrate'
>

/** mediasoup takes no ceiling of 0, and none below what it needs to live; kb/s. */
const LEAST_KBPS = 40

/**
 * The bounds that the worker's estimate of a transport moves between. Setting them is also how the estimate is moved:
 * a ceiling takes it down at once, a floor holds it up, and a ceiling that rises makes the worker probe for it.
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
   * Makes the worker send two short bursts at `goalKbps`, more than the `estimateKbps` that it told last: if they get
   * through, the estimate is there at once. A ceiling that rises makes it probe, but for no more than the ceiling of
   * before; and it takes no rise that is near 1.35 times the bitrate of all layers, where its ceiling goes by itself.
   * A lower one it always takes. So: down to the estimate, up a little beyond the goal, and down to it, where the
   * ceiling then stays until {@link open}.
   */
  probe(goalKbps: number, estimateKbps: number): void {
    const goal = Math.min(Math.round(goalKbps), this.#ceilingKbps - 1)
    this.#max(Math.floor(estimateKbps))
    this.#max(goal + 1)
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
