/** Bytes of a transport packet, ISO/IEC 13818-1 section 2.4.3.2. */
export const packetBytes = 188
const syncByte = 0x47
/** Sync is found at this many sync bytes at the right distance. */
const syncRun = 3
/**
 * Distances of packets with something between them: 16 bytes of Reed-Solomon code, or the 4 bytes of time before each
 * packet of M2TS. These need more sync bytes, which could match by chance.
 */
const wideStrides = [204, 192] as const
const wideRun = 5
const bufferBytes = 64 * 1024

export interface PacketSyncSink {
  /** One transport packet, `packetBytes` long, at `offset`; valid only during the call. */
  packet(buffer: Buffer, offset: number): void
  /** The input was no transport stream. Packets are lost until the next sync. */
  syncLost(): void
}

/**
 * Cuts a byte stream into transport packets and finds sync again after garbage. librist delivers whole packets if the
 * sender fills its datagrams with whole packets. Other senders cut anywhere, and any block may be lost.
 */
export class PacketSync {
  readonly #sink: PacketSyncSink
  readonly #buffer = Buffer.allocUnsafe(bufferBytes)
  #length = 0
  #locked = false
  /** Bytes from one packet to the next. */
  #stride = packetBytes
  /** Bytes still to come that are between packets. */
  #skip = 0

  constructor(sink: PacketSyncSink) {
    this.#sink = sink
  }

  push(data: Uint8Array): void {
    let at = Math.min(this.#skip, data.length)
    this.#skip -= at
    while (at < data.length) {
      const count = Math.min(data.length - at, bufferBytes - this.#length)
      this.#buffer.set(count === data.length ? data : data.subarray(at, at + count), this.#length)
      this.#length += count
      at += count
      this.#consume()
    }
  }

  /** Forgets a half packet: the next bytes belong to another flow. */
  reset(): void {
    this.#length = 0
    this.#skip = 0
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
      // A wrong byte after this packet means that a lost block joined it to a foreign rest: drop the packet.
      const next = at + this.#stride
      if (buffer[at] !== syncByte || (next < this.#length && buffer[next] !== syncByte)) {
        this.#locked = false
        at += 1
        this.#sink.syncLost()
        continue
      }
      this.#sink.packet(buffer, at)
      at = next
    }
    if (at >= this.#length) {
      this.#skip = at - this.#length
      this.#length = 0
    } else if (at > 0) {
      buffer.copyWithin(0, at, this.#length)
      this.#length -= at
    }
  }

  /** @returns the position of sync, or `-(n + 1)` when there is none and the first n bytes are useless */
  #search(from: number): number {
    const buffer = this.#buffer
    let undecided = -1
    for (let at = from; at < this.#length; at++) {
      if (buffer[at] !== syncByte) continue
      let verdict = this.#run(at, packetBytes, syncRun)
      if (verdict === 'sync') return this.#lock(at, packetBytes)
      for (const stride of wideStrides) {
        const wide = this.#run(at, stride, wideRun)
        if (wide === 'sync') return this.#lock(at, stride)
        if (wide === 'undecided') verdict = wide
      }
      // Too few bytes to tell: keep them until more come.
      if (verdict === 'undecided' && undecided < 0) undecided = at
    }
    return -(undecided < 0 ? this.#length : undecided) - 1
  }

  #run(at: number, stride: number, wanted: number): 'sync' | 'none' | 'undecided' {
    for (let run = 1; run < wanted; run++) {
      const probe = at + run * stride
      if (probe >= this.#length) return 'undecided'
      if (this.#buffer[probe] !== syncByte) return 'none'
    }
    return 'sync'
  }

  #lock(at: number, stride: number): number {
    this.#stride = stride
    return at
  }
}

/**
 * Whether a datagram's payload belongs to a transport stream: whole packets, or at some offset three sync bytes and no
 * other byte where a sync byte is due.
 */
export function looksLikeTransportStream(payload: Uint8Array): boolean {
  if (payload.length % packetBytes === 0 && payload[0] === syncByte) return true
  return [packetBytes, ...wideStrides].some((stride) => {
    for (let first = 0; first < stride; first++) {
      let at = first
      while (at < payload.length && payload[at] === syncByte) at += stride
      if (at >= payload.length && at - first >= syncRun * stride) return true
    }
    return false
  })
}
