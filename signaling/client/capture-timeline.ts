import type { CaptureClock } from '../../common/wire/viewer-protocol.ts'

/** RTP clock of video, ticks per ms (90 kHz). */
const TICKS_PER_MS = 90

/** When each frame was captured, from the `capture-clock` pairs the hub sends and the frame's RTP timestamp. */
export class CaptureTimeline {
  /** By layer: a browser's simulcast layers have clocks of their own, and what arrives goes by any one of them. */
  readonly #references = new Map<number, CaptureClock>()

  set(reference: CaptureClock): void {
    this.#references.set(reference.layer ?? 0, reference)
  }

  /** Forgets the pairs: the timestamps of another transport may start anywhere. */
  clear(): void {
    this.#references.clear()
  }

  /**
   * Capture time of the frame with `rtpTimestamp` (32 bit, wraps every 13 h) in the hub's unix ms; null while the
   * hub has not said which timestamp was captured when.
   * @param aboutUnixMs when it must have been, roughly: of several clocks the one counts that comes next to it
   */
  captureUnixMs(rtpTimestamp: number, aboutUnixMs = 0): number | null {
    let nearest: number | null = null
    for (const { rtp_timestamp, capture_unix_ms } of this.#references.values()) {
      // `| 0` makes the difference a signed 32-bit number: right across the wrap, in both directions.
      const unixMs = capture_unix_ms + ((rtpTimestamp - rtp_timestamp) | 0) / TICKS_PER_MS
      if (nearest === null || Math.abs(unixMs - aboutUnixMs) < Math.abs(nearest - aboutUnixMs))
        nearest = unixMs
    }
    return nearest
  }
}
