import { z } from 'zod'

/** Offsets that differ by more than this, beyond their round trips' error, mean that the hub's clock was set, ms. */
const STEP_MS = 1000

/** Number of samples from which the best is chosen. */
const KEPT_SAMPLES = 12

interface ClockSample {
  readonly roundTripMs: number
  readonly offsetMs: number
}

/** The page's clock in unix ms. Monotonic: `Date.now()` may step while a stream is watched. */
export function localUnixMs(): number {
  return performance.timeOrigin + performance.now()
}

/**
 * Offset of the hub's clock to `localUnixMs`, estimated as NTP does (RFC 5905, section 8): of the last samples the one
 * with the shortest round trip is least disturbed by queues. Its error is at most half that round trip.
 */
export class ClockOffset {
  readonly #samples: ClockSample[] = []

  /** One request and its answer: when the request left, the hub's time, and when the answer came. */
  add(sentMs: number, hubMs: number, receivedMs: number): void {
    const sample = { roundTripMs: receivedMs - sentMs, offsetMs: hubMs - (sentMs + receivedMs) / 2 }
    const known = this.offsetMs
    // Two samples differ by at most half their round trips, unless the hub's clock was set: old samples are wrong then.
    const most = STEP_MS + sample.roundTripMs / 2
    if (known !== null && Math.abs(sample.offsetMs - known) > most) this.#samples.length = 0
    this.#samples.push(sample)
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift()
  }

  /** Add this to `localUnixMs` for the hub's time, ms; null before the first sample. */
  get offsetMs(): number | null {
    let best: ClockSample | null = null
    for (const sample of this.#samples) {
      if (best === null || sample.roundTripMs < best.roundTripMs) best = sample
    }
    return best?.offsetMs ?? null
  }
}

/** Requests of one comparison. The best counts. */
const SAMPLES = 4

/** A viewer's or publisher's connection to the hub. */
interface AnswersClock {
  request(method: 'clock', data: Record<string, never>): Promise<unknown>
}

const clockAnswer = z.object({ hub_unix_ms: z.number() })

/** Asks for the hub's time and adds the samples to `clock`. Stops early when the connection ends. */
export async function compareClocks(hub: AnswersClock, clock: ClockOffset): Promise<void> {
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sentMs = localUnixMs()
    const answer = clockAnswer.safeParse(await hub.request('clock', {}).catch(() => null))
    if (!answer.success) return
    clock.add(sentMs, answer.data.hub_unix_ms, localUnixMs())
  }
}
