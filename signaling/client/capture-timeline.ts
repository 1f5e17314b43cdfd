import type { CaptureClock } from '../../common/wire/viewer-protocol.ts'

/** RTP clock of video, ticks per ms (90 kHz). */
const TICKS_PER_MS = 90

/** Capture times of frames, from the hub's `capture-clock` pairs and the frame's RTP timestamp. */
export class CaptureTimeline {
  /** By layer: each simulcast layer of a browser has a clock of its own, and what arrives follows any one of them. */
  readonly #references = new Map<number, CaptureClock>()

  set(reference: CaptureClock): void {
    this.#references.set(reference.layer ?? 0, reference)
  }

  /** Forgets the pairs: timestamps of another transport may start anywhere. */
  clear(): void {
    this.#references.clear()
  }

  /**
   * Capture time of the frame with `rtpTimestamp` (32 bit, wraps every 13 h) in the hub's unix ms; null while the hub
   * has not tied a timestamp to a time.
   * @param aboutUnixMs the approximate capture time: of several clocks the nearest one counts
   */
  captureUnixMs(rtpTimestamp: number, aboutUnixMs = 0): number | null {
    let nearest: number | null = null
    for (const { rtp_timestamp, capture_unix_ms } of this.#references.values()) {
      // `| 0` makes the difference a signed 32-bit number: right across the wrap in both directions.
      const unixMs = capture_unix_ms + ((rtpTimestamp - rtp_timestamp) | 0) / TICKS_PER_MS
      if (nearest === null || Math.abs(unixMs - aboutUnixMs) < Math.abs(nearest - aboutUnixMs))
        nearest = unixMs
    }
    return nearest
  }
}
