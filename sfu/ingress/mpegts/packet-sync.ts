/** Bytes of a transport packet, ISO/IEC 13818-1 section 2.4.3.2. */
export const packetBytes = 188
const syncByte = 0x47
/** Out of sync, this many sync bytes at the right distance are believed. */
const syncRun = 3
const bufferBytes = 64 * 1024

export interface PacketSyncSink {
  /** One transport packet, `packetBytes` long, at `offset`; valid only during the call. */
  packet(buffer: Buffer, offset: number): void
  /** Bytes that are no transport stream were met; packets are lost until the next sync. */
  syncLost(): void
}

/**
 * Cuts a byte stream into transport packets and finds back after garbage. What librist delivers starts on a packet
 * boundary nearly always, but a block may be lost or cut anywhere, and other programs cut as they like.
 */
export class PacketSync {
  readonly #sink: PacketSyncSink
  readonly #buffer = Buffer.allocUnsafe(bufferBytes)
  #length = 0
  #locked = false

  constructor(sink: PacketSyncSink) {
    this.#sink = sink
  }

  push(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const count = Math.min(data.length - at, bufferBytes - this.#length)
      this.#buffer.set(count === data.length ? data : data.subarray(at, at + count), this.#length)
      this.#length += count
      at += count
      this.#consume()
    }
  }

  /** Forgets a half packet: what comes next belongs to another flow. */
  reset(): void {
    this.#length = 0
    this.#locked = false
  }

  #consume(): void {
    const buffer = this.#buffer
    let at = 0
    while (true) {
      if (!this.#locked) {
        const found = this.#search(at)
        at = found < 0 ? -found - 1 : found
        if (found < 0) break
        this.#locked = true
      }
      if (at + packetBytes > this.#length) break
      // A wrong byte after this packet means that a lost block spliced it to a foreign rest: don't believe it.
      const next = at + packetBytes
      if (buffer[at] !== syncByte || (next < this.#length && buffer[next] !== syncByte)) {
        this.#locked = false
        at += 1
        this.#sink.syncLost()
        continue
      }
      this.#sink.packet(buffer, at)
      at = next
    }
    if (at > 0) {
      buffer.copyWithin(0, at, this.#length)
      this.#length -= at
    }
  }

  /** @returns where sync is, or `-(n + 1)` when there is none and the first n bytes are of no use */
  #search(from: number): number {
    const buffer = this.#buffer
    for (let at = from; at < this.#length; at++) {
      if (buffer[at] !== syncByte) continue
      let run = 1
      let probe = at + packetBytes
      while (run < syncRun && probe < this.#length && buffer[probe] === syncByte) {
        run += 1
        probe += packetBytes
      }
      if (run === syncRun) return at
      // Not enough bytes to tell: keep them until more come.
      if (probe >= this.#length) return -at - 1
    }
    return -this.#length - 1
  }
}
