import { addToPts } from '../../../common/pts.ts'

/** aac_frame_length has 13 bits. */
const maxFrameBytes = 8191
const headerBytes = 7

const sampleRates = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
] as const

export interface AdtsSink {
  /**
   * One ADTS frame, header included, in `data[from..to)`, valid during the call.
   * @param pts 33 bit, 90 kHz
   * @param ticks duration at 90 kHz, fractional
   * @param configuration changes when the decoder must start again
   */
  frame(data: Buffer, from: number, to: number, pts: number, ticks: number, configuration: number): void
  /** Bytes that are no ADTS frame. `latm` when they look like AAC in LATM/LOAS instead. */
  malformed(latm: boolean): void
}

/** Cuts AAC in ADTS (ISO/IEC 13818-7 section 6.2, ISO/IEC 14496-3 annex 1.A) into frames, also across PES packets. */
export class AdtsFramer {
  readonly #sink: AdtsSink
  readonly #buffer = Buffer.allocUnsafe(maxFrameBytes)
  #length = 0
  #pts = -1

  constructor(sink: AdtsSink) {
    this.#sink = sink
  }

  /** A PES packet is missing: the open frame can't be finished. */
  drop(): void {
    this.#length = 0
    this.#pts = -1
  }

  /** @param pts of the first frame that starts in this payload, or -1 */
  push(data: Buffer, from: number, to: number, pts: number): void {
    let at = this.#finish(data, from, to)
    if (this.#length > 0) return // still not whole
    if (pts >= 0 && at < to) this.#pts = pts
    while (at < to) {
      if (to - at < headerBytes) break
      if (!isAdts(data, at)) {
        this.#sink.malformed(data[at] === 0x56 && (data[at + 1]! & 0xe0) === 0xe0)
        this.drop()
        return
      }
      const end = at + frameLength(data, at)
      if (end > to) break
      this.#deliver(data, at, end)
      at = end
    }
    this.#length = data.copy(this.#buffer, 0, at, to)
  }

  /** @returns where the frame that began earlier ends */
  #finish(data: Buffer, from: number, to: number): number {
    if (this.#length === 0) return from
    let at = from
    while (this.#length < headerBytes && at < to) this.#buffer[this.#length++] = data[at++]!
    if (this.#length < headerBytes) return to
    if (!isAdts(this.#buffer, 0)) {
      this.#sink.malformed(false)
      this.drop()
      return from
    }
    const length = frameLength(this.#buffer, 0)
    const count = Math.min(Math.max(length - this.#length, 0), to - at)
    data.copy(this.#buffer, this.#length, at, at + count)
    this.#length += count
    if (this.#length < length) return to
    this.#length = 0
    this.#deliver(this.#buffer, 0, length)
    return at + count
  }

  #deliver(data: Buffer, from: number, to: number): void {
    const rate = sampleRates[(data[from + 2]! >> 2) & 0x0f]!
    const blocks = 1 + (data[from + 6]! & 3)
    const ticks = (blocks * 1024 * 90_000) / rate
    // profile, sampling_frequency_index and channel_configuration
    const configuration = ((data[from + 2]! & 0xfd) << 8) | (data[from + 3]! & 0xc0)
    if (this.#pts >= 0) this.#sink.frame(data, from, to, this.#pts, ticks, configuration)
    if (this.#pts >= 0) this.#pts = addToPts(this.#pts, ticks)
  }
}

function isAdts(data: Uint8Array, at: number): boolean {
  return (
    data[at] === 0xff &&
    (data[at + 1]! & 0xf6) === 0xf0 &&
    ((data[at + 2]! >> 2) & 0x0f) < sampleRates.length &&
    frameLength(data, at) > headerBytes
  )
}

function frameLength(data: Uint8Array, at: number): number {
  return ((data[at + 3]! & 3) << 11) | (data[at + 4]! << 3) | (data[at + 5]! >> 5)
}
