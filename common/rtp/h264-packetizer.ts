import type { HeaderExtensions } from './header-extensions.ts'
import type { RtpOutput } from './rtp-output.ts'

const typeStapA = 24
const typeFuA = 28

/**
 * Packetizes the NAL units of one access unit (RFC 6184, packetization-mode 1): neighbours that fit together become a
 * STAP-A, what is too large becomes FU-As, the last packet carries the marker.
 */
export class H264Packetizer {
  readonly #data: Buffer[] = []
  readonly #from: number[] = []
  readonly #to: number[] = []
  #count = 0

  clear(): void {
    this.#count = 0
  }

  /** Adds the NAL unit `data[from..to)`; the bytes are needed until {@link send} returns. */
  add(data: Buffer, from: number, to: number): void {
    this.#data[this.#count] = data
    this.#from[this.#count] = from
    this.#to[this.#count] = to
    this.#count += 1
  }

  /** Copies what was added, so that it can be sent later. */
  own(): void {
    for (let index = 0; index < this.#count; index++) {
      const copy = Buffer.from(this.#data[index]!.subarray(this.#from[index]!, this.#to[index]!))
      this.#data[index] = copy
      this.#from[index] = 0
      this.#to[index] = copy.length
    }
  }

  /** Sends what was added as one access unit. */
  send(output: RtpOutput, timestamp: number, extensions: HeaderExtensions): void {
    let extension = extensions.stamped
    for (let index = 0; index < this.#count; ) {
      const room = output.room(extension)
      const next = this.#fitting(index, room)
      if (next === index) this.#fragment(index, output, timestamp, extension, extensions.plain)
      else if (next === index + 1) this.#single(index, output, timestamp, extension)
      else this.#aggregate(index, next, output, timestamp, extension)
      index = Math.max(next, index + 1)
      extension = extensions.plain
    }
  }

  /** @returns the first NAL unit that does not fit into one packet with those from `index` on */
  #fitting(index: number, room: number): number {
    if (this.#size(index) > room) return index
    let total = 1 + 2 + this.#size(index)
    let next = index + 1
    while (next < this.#count) {
      total += 2 + this.#size(next)
      if (total > room) break
      next += 1
    }
    return next
  }

  #single(index: number, output: RtpOutput, timestamp: number, extension: Buffer): void {
    const at = output.begin(timestamp, extension)
    this.#copy(index, this.#from[index]!, this.#to[index]!, output, at)
    output.end(this.#size(index), index + 1 === this.#count)
  }

  /** Section 5.7.1. */
  #aggregate(index: number, next: number, output: RtpOutput, timestamp: number, extension: Buffer): void {
    const start = output.begin(timestamp, extension)
    let importance = 0
    let at = start + 1
    for (let nal = index; nal < next; nal++) {
      const size = this.#size(nal)
      importance = Math.max(importance, this.#data[nal]![this.#from[nal]!]! & 0x60)
      output.memory[at] = size >> 8
      output.memory[at + 1] = size & 0xff
      this.#copy(nal, this.#from[nal]!, this.#to[nal]!, output, at + 2)
      at += 2 + size
    }
    output.memory[start] = importance | typeStapA
    output.end(at - start, next === this.#count)
  }

  /** Section 5.8. */
  #fragment(index: number, output: RtpOutput, timestamp: number, first: Buffer, rest: Buffer): void {
    const header = this.#data[index]![this.#from[index]!]!
    const end = this.#to[index]!
    let extension = first
    let at = this.#from[index]! + 1
    let startBit = 0x80
    while (at < end) {
      const count = Math.min(output.room(extension) - 2, end - at)
      const endBit = at + count === end ? 0x40 : 0
      const payload = output.begin(timestamp, extension)
      output.memory[payload] = (header & 0x60) | typeFuA
      output.memory[payload + 1] = startBit | endBit | (header & 0x1f)
      this.#copy(index, at, at + count, output, payload + 2)
      output.end(count + 2, endBit !== 0 && index + 1 === this.#count)
      at += count
      startBit = 0
      extension = rest
    }
  }

  #size(index: number): number {
    return this.#to[index]! - this.#from[index]!
  }

  #copy(index: number, from: number, to: number, output: RtpOutput, at: number): void {
    this.#data[index]!.copy(output.memory, at, from, to)
  }
}
