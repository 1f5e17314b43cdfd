import { writeNtpTime } from '../../common/ntp-time.ts'

const typeSenderReport = 200
const typeSourceDescription = 202
const itemCname = 1

export interface SenderReport {
  readonly ssrc: number
  /** Canonical name that all SSRCs of a lane share, up to 255 bytes of UTF-8. */
  readonly cname: string
  readonly unixMs: number
  /** RTP timestamp of that moment. Its low 32 bits are sent. */
  readonly rtpTimestamp: number
  readonly packets: number
  readonly octets: number
}

/** A compound RTCP packet: sender report without report blocks, and SDES (RFC 3550 sections 6.4.1 and 6.5). */
export function encodeSenderReport(report: SenderReport): Buffer {
  const cname = Buffer.from(report.cname).subarray(0, 255)
  const descriptionBytes = Math.ceil((8 + 2 + cname.length + 1) / 4) * 4
  const packet = Buffer.alloc(28 + descriptionBytes)
  packet[0] = 0x80
  packet[1] = typeSenderReport
  packet.writeUInt16BE(6, 2)
  packet.writeUInt32BE(report.ssrc, 4)
  writeNtpTime(packet, 8, report.unixMs)
  packet.writeUInt32BE(report.rtpTimestamp >>> 0, 16)
  packet.writeUInt32BE(report.packets >>> 0, 20)
  packet.writeUInt32BE(report.octets >>> 0, 24)
  packet[28] = 0x81
  packet[29] = typeSourceDescription
  packet.writeUInt16BE(descriptionBytes / 4 - 1, 30)
  packet.writeUInt32BE(report.ssrc, 32)
  packet[36] = itemCname
  packet[37] = cname.length
  cname.copy(packet, 38)
  return packet
}

/** Copies of the sender reports of one SSRC for another, without report blocks. One object serves all of them. */
export class SenderReportCopy {
  readonly #copy = Buffer.alloc(28)

  /**
   * @param at where the report begins in `packet`
   * @returns valid until the next call
   */
  of(packet: Uint8Array, at: number, ssrc: number, rtpTimestamp: number): Buffer {
    const copy = this.#copy
    copy.set(packet.subarray(at, at + copy.length))
    copy[0] = 0x80
    copy.writeUInt16BE(6, 2)
    copy.writeUInt32BE(ssrc, 4)
    copy.writeUInt32BE(rtpTimestamp, 16)
    return copy
  }
}
