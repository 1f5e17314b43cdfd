import { writeNtpTime } from './ntp-time.ts'

/** Bytes of one MPEG-TS packet, ISO/IEC 13818-1 section 2.4.3. */
const packetLength = 188

export interface TemiStamp {
  /** PID of the elementary stream the stamp belongs to, 0x10 to 0x1ffe. */
  readonly pid: number
  /**
   * Continuity counter (0 to 15) of that PID's **last** packet. A packet without payload does not advance the counter
   * (ISO/IEC 13818-1 section 2.4.3.3).
   */
  readonly continuityCounter: number
  /** Presentation time stamp of the picture, 90 kHz. The packet carries its low 32 bits. */
  readonly pts: number
  /** When that picture was captured, Unix milliseconds, may be fractional. */
  readonly captureUnixMs: number
}

/**
 * Builds one transport packet that says when the picture with a given PTS was captured. The packet is an adaptation
 * field without payload, whose extension carries a TEMI timeline descriptor (ISO/IEC 13818-1 annex U) with a 32-bit
 * media timestamp at 90 kHz and an NTP timestamp. Put the packet in front of the picture's own packets. Decoders that
 * do not know TEMI skip the packet.
 */
export function encodeTemiPacket(
  stamp: TemiStamp,
  packet: Uint8Array = new Uint8Array(packetLength),
): Uint8Array {
  packet.fill(0xff, 0, packetLength)
  packet[0] = 0x47
  packet[1] = (stamp.pid >> 8) & 0x1f
  packet[2] = stamp.pid & 0xff
  packet[3] = 0x20 | (stamp.continuityCounter & 0x0f)
  packet[4] = 183
  packet[5] = 0x01 // adaptation_field_extension_flag
  packet[6] = 22 // adaptation_field_extension_length
  packet[7] = 0x0f // no ltw, piecewise rate or splice; af_descriptor_not_present_flag = 0
  packet[8] = 0x04 // timeline descriptor
  packet[9] = 19
  packet[10] = 0x60 // has_timestamp = 1 (32 bits), has_ntp = 1
  packet[11] = 0x7f // no discontinuity
  packet[12] = 0 // timeline_id
  writeUint32(packet, 13, 90_000)
  writeUint32(packet, 17, stamp.pts)
  writeNtpTime(packet, 21, stamp.captureUnixMs)
  return packet
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  const low = value % 2 ** 32
  target[offset] = (low / 2 ** 24) & 0xff
  target[offset + 1] = (low >>> 16) & 0xff
  target[offset + 2] = (low >>> 8) & 0xff
  target[offset + 3] = low & 0xff
}
