import { SYSTEM_CLOCK } from '../../common/clock.ts'

/** A larger error is corrected at once, a smaller one slowly, ms: the device's clock was set, or the hub's. */
const STEP_MS = 500
/** How fast the offset follows, ms of correction for each ms of time. A viewer's picture must not hop. */
const SLEW = 0.01
/** The first samples follow fast, and a later one may be much better: so long the offset steps to the best, ms. */
const SETTLES_MS = 3000
/** A sample counts for this long, ms. Crystals drift apart by up to 50 ppm: 3 ms a minute. */
const SAMPLE_LIFE_MS = 60_000
/** Most samples that are kept. */
const MAX_SAMPLES = 16
/** How much the uncertainty of a sample grows with its age, ms a ms. */
const DRIFT = 50e-6

interface Sample {
  /** The hub's clock minus the steady one, ms. */
  readonly offsetMs: number
  /** Half the round trip: the offset is right within this, ms. */
  readonly errorMs: number
  readonly at: number
  /** By a time of whole seconds. */
  readonly isCoarse: boolean
}

/**
 * The hub's clock as this device knows it, from answers of the hub that say its time (NTP style: RFC 5905 section 8).
 * It runs by the steady clock, so that nobody who sets this machine's clock moves it. It slews, and steps only where it is
 * wrong by more than half a second. Before the first sample it is this machine's clock.
 */
export class HubClock {
  readonly #read: () => number
  readonly #wall: () => number
  #samples: Sample[] = []
  #offsetMs: number | null = null
  /** The offset is by whole seconds only. The first better sample takes its place at once. */
  #isCoarse = true
  #slewedAt = 0
  #settlesUntil = 0

  constructor({ steady, wall } = SYSTEM_CLOCK) {
    this.#read = steady
    this.#wall = wall
  }

  /** The reading to note when a question leaves and when its answer comes, ms. */
  read(): number {
    return this.#read()
  }

  /**
   * Takes the hub's time from an answer.
   * @param sentAt when the question left, by `read`
   * @param hubUnixMs when the hub answered, by its clock; cut to a multiple of `resolutionMs`
   * @param receivedAt when the answer came, by `read`
   */
  sample(sentAt: number, hubUnixMs: number, receivedAt: number, resolutionMs = 0): void {
    if (!(receivedAt >= sentAt) || !Number.isFinite(hubUnixMs)) return
    const errorMs = (receivedAt - sentAt + resolutionMs) / 2
    const offsetMs = hubUnixMs + resolutionMs / 2 - (sentAt + receivedAt) / 2
    const sample = { offsetMs, errorMs, at: receivedAt, isCoarse: resolutionMs > 0 }
    const best = this.#best(receivedAt)
    // Both can't be true: a clock was set in between.
    if (best && Math.abs(offsetMs - best.offsetMs) > STEP_MS + errorMs + best.errorMs) this.#samples = []
    const young = this.#samples.filter(({ at }) => receivedAt - at < SAMPLE_LIFE_MS)
    this.#samples = [...young, sample].slice(-MAX_SAMPLES)
    this.#offset()
  }

  /** Whether the hub has ever told its time. */
  get isKnown(): boolean {
    return this.#samples.length > 0
  }

  /** This machine's clock minus the hub's, ms; 0 before the first sample. */
  get aheadMs(): number {
    return this.#offsetMs === null ? 0 : this.#wall() - this.hubNow()
  }

  /** Half the shortest round trip by which the offset was measured, ms; infinite before the first sample. */
  get errorMs(): number {
    const now = this.#read()
    const best = this.#best(now)
    return best ? uncertainty(best, now) : Number.POSITIVE_INFINITY
  }

  /** The hub's time, Unix ms. */
  hubNow(): number {
    return this.#offsetMs === null ? this.#wall() : this.#read() + this.#offset()
  }

  /** A time of this machine's clock, converted to the hub's clock, Unix ms. */
  hubTimeOf(deviceUnixMs: number): number {
    return deviceUnixMs - this.aheadMs
  }

  /** Moves the offset towards the best sample. */
  #offset(): number {
    const now = this.#read()
    const best = this.#best(now)
    const before = this.#offsetMs ?? 0
    if (!best) return before
    const behind = best.offsetMs - before
    const room = (now - this.#slewedAt) * SLEW
    const isBetter = this.#isCoarse && !best.isCoarse
    if (this.#offsetMs === null || isBetter) this.#settlesUntil = now + SETTLES_MS
    const steps = now < this.#settlesUntil || Math.abs(behind) > STEP_MS
    this.#slewedAt = now
    this.#isCoarse = steps ? best.isCoarse : this.#isCoarse
    this.#offsetMs = steps ? best.offsetMs : before + Math.max(-room, Math.min(room, behind))
    return this.#offsetMs
  }

  #best(now: number): Sample | null {
    let best: Sample | null = null
    for (const sample of this.#samples)
      if (!best || uncertainty(sample, now) < uncertainty(best, now)) best = sample
    return best
  }
}

function uncertainty({ errorMs, at }: Sample, now: number): number {
  return errorMs + (now - at) * DRIFT
}
