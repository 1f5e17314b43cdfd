/** Offsets this far apart, beyond what their round trips explain, are of a hub whose clock was set, ms. */
const STEP_MS = 1000

/** Samples kept for the choice of the best one. */
const KEPT_SAMPLES = 12

interface ClockSample {
  readonly roundTripMs: number
  readonly offsetMs: number
}

/** The page's clock in unix ms. Monotonic: `Date.now()` may be stepped while a stream is watched. */
export function localUnixMs(): number {
  return performance.timeOrigin + performance.now()
}

/**
 * Offset of the hub's clock to `localUnixMs`, estimated as NTP does (RFC 5905, section 8): of the last samples the
 * one with the shortest round trip is the least disturbed by queues, its error is at most half that round trip.
 */
export class ClockOffset {
  readonly #samples: ClockSample[] = []

  /** One request and its answer: when it left, what the hub's clock said, when the answer came. */
  add(sentMs: number, hubMs: number, receivedMs: number): void {
    const sample = { roundTripMs: receivedMs - sentMs, offsetMs: hubMs - (sentMs + receivedMs) / 2 }
    const known = this.offsetMs
    // Two samples differ by half their round trips at most, unless the hub's clock was set: the old ones are wrong then.
    const most = STEP_MS + sample.roundTripMs / 2
    if (known !== null && Math.abs(sample.offsetMs - known) > most) this.#samples.length = 0
    this.#samples.push(sample)
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift()
  }

  /** What to add to `localUnixMs` to get the hub's time, in ms; null before the first sample. */
  get offsetMs(): number | null {
    let best: ClockSample | null = null
    for (const sample of this.#samples) {
      if (best === null || sample.roundTripMs < best.roundTripMs) best = sample
    }
    return best?.offsetMs ?? null
  }
}
