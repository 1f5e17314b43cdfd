import type { CaptureClock } from '../../common/wire/viewer-protocol.ts'
import { CaptureTimeline } from './capture-timeline.ts'
import { ClockOffset, localUnixMs } from './clock-offset.ts'
import type { ShownFrame } from './playback.ts'

/** Most samples between two looks: more than a minute at 60 frames a second. */
const MAX_SAMPLES = 4096
/** Stands for the pictures of a direct way among the layers of the hub. */
const DIRECT_LAYER = -1
/** Larger values can only come from a wrong pairing of clocks, ms. */
const PLAUSIBLE_MS = 60_000

/**
 * The age of a picture on the screen: from the capture of a frame (as the hub ties it to RTP timestamps) to the moment
 * when it is visible, both in the hub's time.
 */
export class GlassToGlass {
  readonly clock: ClockOffset
  readonly #timeline = new CaptureTimeline()
  #samples: number[] = []
  #source: CaptureClock['source'] | null = null

  constructor(clock: ClockOffset = new ClockOffset()) {
    this.clock = clock
  }

  /** Who stamped the capture time. Without a stamp in the stream the way from camera to hub is not counted. */
  get source(): CaptureClock['source'] | null {
    return this.#source
  }

  captureClock(reference: CaptureClock): void {
    this.#timeline.set(reference)
    this.#source = reference.source
  }

  /**
   * Ties the RTP timestamps of a direct way, which are the sender's own time, to the hub's.
   * @param aheadMs the sender's clock minus the hub's
   */
  directClock(aheadMs: number): void {
    const { offsetMs } = this.clock
    if (offsetMs === null) return
    const capture_unix_ms = localUnixMs() + offsetMs
    const rtp_timestamp = Math.floor((capture_unix_ms + aheadMs) * 90) % 2 ** 32
    this.captureClock({ layer: DIRECT_LAYER, rtp_timestamp, capture_unix_ms, source: 'sender' })
  }

  /** Another transport: its timestamps need a new reference. */
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

/** The middle value; null for an empty list. */
export function median(values: readonly number[]): number | null {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? null
}
