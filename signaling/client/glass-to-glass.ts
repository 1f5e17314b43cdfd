import type { CaptureClock } from '../../common/wire/viewer-protocol.ts'
import { CaptureTimeline } from './capture-timeline.ts'
import { ClockOffset } from './clock-offset.ts'
import type { ShownFrame } from './playback.ts'

/** Samples kept between two looks; at 60 frames a second more than a minute. */
const MAX_SAMPLES = 4096
/** Values outside of this can only come from a wrong pairing of clocks, in ms. */
const PLAUSIBLE_MS = 60_000

/**
 * How old the picture is when it is seen: from the capture of a frame (as the hub ties it to RTP timestamps) to
 * the moment it is on the screen, both in the hub's time.
 */
export class GlassToGlass {
  readonly clock: ClockOffset
  readonly #timeline = new CaptureTimeline()
  #samples: number[] = []
  #source: CaptureClock['source'] | null = null

  constructor(clock: ClockOffset = new ClockOffset()) {
    this.clock = clock
  }

  /** Who stamped the capture time: without a stamp in the stream the way from the camera to the hub is missing. */
  get source(): CaptureClock['source'] | null {
    return this.#source
  }

  captureClock(reference: CaptureClock): void {
    this.#timeline.set(reference)
    this.#source = reference.source
  }

  /** Another transport: its timestamps need a reference of their own. */
  reset(): void {
    this.#timeline.clear()
    this.#samples = []
    this.#source = null
  }

  add(frame: ShownFrame): void {
    const offsetMs = this.clock.offsetMs
    if (offsetMs === null || frame.rtpTimestamp === null || this.#samples.length >= MAX_SAMPLES) return
    const shownMs = performance.timeOrigin + frame.displayTime + offsetMs
    const captureMs = this.#timeline.captureUnixMs(frame.rtpTimestamp, shownMs)
    if (captureMs === null) return
    const ageMs = shownMs - captureMs
    if (Math.abs(ageMs) < PLAUSIBLE_MS) this.#samples.push(ageMs)
  }

  /** Takes the samples since the last call, in ms. */
  take(): number[] {
    const samples = this.#samples
    this.#samples = []
    return samples
  }
}

/** The middle value; null of nothing. */
export function median(values: readonly number[]): number | null {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? null
}
