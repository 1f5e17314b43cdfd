import { writeNtpTime } from '../ntp-time.ts'
import type { LaneAttachment } from '../wire/lane-ipc.ts'

/** Agreed ids for the one-byte form (RFC 8285 section 4.2): 1 to 14, or 0 to leave the extension out. */
type ExtensionIds = LaneAttachment['extension_ids']
/** Bounds of the viewer's playout delay, ms, 0 to 40950 in steps of 10; null leaves buffering to the viewer. */
type PlayoutDelay = LaneAttachment['playout_delay_ms']

/**
 * The extension blocks of one video output, ready to be copied into packets: `plain` for every packet, `stamped` with
 * `abs-capture-time` for the first packet of an access unit.
 */
export class HeaderExtensions {
  readonly plain: Buffer
  readonly stamped: Buffer
  readonly #stampAt: number

  constructor(ids: ExtensionIds, delay: PlayoutDelay) {
    const playout =
      delay && ids.playout_delay > 0 ? playoutDelayElement(ids.playout_delay, delay) : Buffer.alloc(0)
    const capture = ids.abs_capture_time > 0 ? Buffer.alloc(9) : Buffer.alloc(0)
    if (capture.length > 0) capture[0] = (ids.abs_capture_time << 4) | 7
    this.plain = block(playout)
    this.stamped = block(Buffer.concat([playout, capture]))
    this.#stampAt = capture.length > 0 ? 4 + playout.length + 1 : -1
  }

  /** Sets the capture time that `stamped` carries (8-byte form, UQ32.32 NTP). */
  stamp(unixMs: number): void {
    if (this.#stampAt >= 0) writeNtpTime(this.stamped, this.#stampAt, unixMs)
  }
}

/** http://www.webrtc.org/experiments/rtp-hdrext/playout-delay: 12 bits each, in units of 10 ms. */
function playoutDelayElement(id: number, delay: NonNullable<PlayoutDelay>): Buffer {
  const units = (ms: number): number => Math.min(Math.max(Math.round(ms / 10), 0), 0xfff)
  const value = (units(delay.min) << 12) | units(delay.max)
  return Buffer.from([(id << 4) | 2, value >> 16, (value >> 8) & 0xff, value & 0xff])
}

function block(elements: Buffer): Buffer {
  if (elements.length === 0) return elements
  const words = Math.ceil(elements.length / 4)
  const bytes = Buffer.alloc(4 + words * 4)
  bytes.writeUInt16BE(0xbede, 0)
  bytes.writeUInt16BE(words, 2)
  elements.copy(bytes, 4)
  return bytes
}
