import { crc32Mpeg } from './crc32.ts'

/** PAT and PMT sections hold at most 1021 bytes after their length field, ISO/IEC 13818-1 section 2.4.4. */
const maxSectionBytes = 1024

export interface SectionSink {
  /** A whole section with an intact CRC, its CRC as a cheap fingerprint of the content; valid during the call. */
  section(data: Buffer, length: number, crc: number): void
  crcError(): void
}

/** Puts the sections of one PSI PID together: over several packets, several in one, and after a pointer field. */
export class SectionAssembler {
  readonly #sink: SectionSink
  readonly #buffer = Buffer.allocUnsafe(maxSectionBytes)
  #length = 0
  #open = false

  constructor(sink: SectionSink) {
    this.#sink = sink
  }

  /** Forgets a half section, of which a packet was lost. */
  drop(): void {
    this.#open = false
    this.#length = 0
  }

  push(packet: Buffer, from: number, end: number, unitStart: boolean): void {
    let at = from
    if (unitStart) {
      if (at >= end) return
      const start = at + 1 + packet[at]!
      at += 1
      if (start > end) {
        this.drop()
        return
      }
      if (this.#open) this.#append(packet, at, start)
      this.drop()
      at = start
      while (at < end && packet[at] !== 0xff) {
        this.#open = true
        at = this.#append(packet, at, end)
        if (this.#open) return // goes on in the next packet, or was given up
      }
      return
    }
    if (this.#open) this.#append(packet, at, end)
  }

  /** @returns where the section ended, or `end` when it needs more */
  #append(packet: Buffer, from: number, end: number): number {
    let at = from
    while (this.#length < 3 && at < end) this.#buffer[this.#length++] = packet[at++]!
    if (this.#length < 3) return end
    const total = 3 + (((this.#buffer[1]! & 0x0f) << 8) | this.#buffer[2]!)
    if (total > maxSectionBytes || total < 12) {
      this.drop()
      this.#sink.crcError()
      return end
    }
    const count = Math.min(total - this.#length, end - at)
    packet.copy(this.#buffer, this.#length, at, at + count)
    this.#length += count
    if (this.#length < total) return end
    this.drop()
    if (crc32Mpeg(this.#buffer, 0, total) === 0) {
      this.#sink.section(this.#buffer, total, this.#buffer.readUInt32BE(total - 4))
    } else this.#sink.crcError()
    return at + count
  }
}
