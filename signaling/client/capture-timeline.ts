import type { CaptureClock } from '../../common/wire/viewer-protocol.ts'

/** RTP clock of video, ticks per ms (90 kHz). */
const TICKS_PER_MS = 90

/** When each frame was captured, from the `capture-clock` pairs the hub sends and the frame's RTP timestamp. */
export class CaptureTimeline {
  #reference: CaptureClock | null = null

  set(reference: CaptureClock): void {
    this.#reference = reference
  }

  /** Forgets the pair: the timestamps of another transport may start anywhere. */
  clear(): void {
    this.#reference = null
  }

  /**
   * Capture time of the frame with `rtpTimestamp` (32 bit, wraps every 13 h) in the hub's unix ms; null while the
   * hub has not said which timestamp was captured when.
   */
  captureUnixMs(rtpTimestamp: number): number | null {
    if (this.#reference === null) return null
    // `| 0` makes the difference a signed 32-bit number: right across the wrap, in both directions.
    const ticks = (rtpTimestamp - this.#reference.rtp_timestamp) | 0
    return this.#reference.capture_unix_ms + ticks / TICKS_PER_MS
  }
}
