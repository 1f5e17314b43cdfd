import { type PesHeader, readPesHeader } from './pes-header.ts'

/** Why a unit could not be delivered. */
export type PesFault = 'pes_malformed' | 'pes_oversize' | 'pes_truncated' | 'scrambled'

export interface PesSink {
  /** A whole PES payload in `data[from..to)`, valid during the call; `pts` is 33 bit at 90 kHz or -1. */
  unit(data: Buffer, from: number, to: number, pts: number): void
  /** A unit was given up. */
  fault(kind: PesFault): void
}

/** After this many proofs, padding in a unit's first packet is taken to mean that the unit ends there. */
const proofsForShortUnits = 3
const firstBytes = 8 * 1024

/**
 * Puts the PES packets of one PID together and hands each on as soon as it is complete: by its length if it has one,
 * else when a stuffed packet shows its end, else when the next one starts. The stream itself shows whether stuffing
 * marks the end, because a muxer may also pad in the middle.
 */
export class PesAssembler {
  readonly #sink: PesSink
  readonly #maxBytes: number
  readonly #header: PesHeader = { payload: 0, pts: -1 }
  #buffer: Buffer
  #length = 0
  #open = false
  /** Bytes of the whole PES packet; 0 while unknown, -1 when the packet has no length. */
  #expected = 0
  #lastFrom = 0
  #stuffingEnds = true
  #endedByStuffing = false
  #firstWasStuffed = false
  #shortUnitProofs = 0

  constructor(sink: PesSink, maxBytes: number) {
    this.#sink = sink
    this.#maxBytes = maxBytes
    this.#buffer = Buffer.allocUnsafe(Math.min(firstBytes, maxBytes))
  }

  /** Bytes held at the moment, for the memory bounds. */
  get capacity(): number {
    return this.#buffer.length
  }

  /** Gives up the open unit. @returns whether there was one */
  drop(): boolean {
    const dropped = this.#open
    this.#open = false
    this.#endedByStuffing = false
    return dropped
  }

  /** Whether this packet repeats the last pushed packet. */
  isRepeated(packet: Buffer, from: number, end: number): boolean {
    const count = end - from
    if (this.#length - this.#lastFrom !== count) return false
    return packet.compare(this.#buffer, this.#lastFrom, this.#length, from, end) === 0
  }

  push(packet: Buffer, from: number, end: number, unitStart: boolean, stuffed: boolean): void {
    if (unitStart) this.#start(stuffed)
    else if (!this.#open) {
      this.#goneOn()
      return
    } else if (this.#firstWasStuffed) {
      this.#firstWasStuffed = false
      this.#shortUnitProofs = Number.NEGATIVE_INFINITY
    }
    const count = end - from
    if (!this.#reserve(count)) {
      this.#open = false
      this.#sink.fault('pes_oversize')
      return
    }
    packet.copy(this.#buffer, this.#length, from, end)
    this.#lastFrom = this.#length
    this.#length += count
    if (this.#expected === 0 && this.#length >= 6) {
      if (this.#buffer.readUIntBE(0, 3) !== 1) {
        this.#open = false
        this.#sink.fault('pes_malformed')
        return
      }
      const length = this.#buffer.readUInt16BE(4)
      this.#expected = length === 0 ? -1 : length + 6
    }
    if (this.#expected > 0) {
      if (this.#length >= this.#expected) this.#complete(this.#expected)
    } else if (stuffed && this.#expected < 0 && this.#stuffingEnds) {
      if (unitStart && this.#shortUnitProofs < proofsForShortUnits) return
      this.#complete(this.#length)
      this.#endedByStuffing = true
    }
  }

  #start(stuffed: boolean): void {
    if (this.#open) {
      if (this.#expected > 0) this.#sink.fault('pes_truncated')
      else {
        if (this.#firstWasStuffed) this.#shortUnitProofs += 1
        this.#complete(this.#length)
      }
    }
    this.#open = true
    this.#length = 0
    this.#lastFrom = 0
    this.#expected = 0
    this.#endedByStuffing = false
    this.#firstWasStuffed = stuffed
  }

  /** A packet came for a unit that is not open: this muxer pads inside its units, and the last unit was cut. */
  #goneOn(): void {
    if (!this.#endedByStuffing) return
    this.#endedByStuffing = false
    this.#stuffingEnds = false
    this.#sink.fault('pes_truncated')
  }

  #complete(length: number): void {
    this.#open = false
    const verdict = readPesHeader(this.#buffer, length, this.#header)
    if (verdict === 'ok') this.#sink.unit(this.#buffer, this.#header.payload, length, this.#header.pts)
    else if (verdict !== 'without-header')
      this.#sink.fault(verdict === 'scrambled' ? 'scrambled' : 'pes_malformed')
  }

  #reserve(count: number): boolean {
    const needed = this.#length + count
    if (needed > this.#maxBytes) return false
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBytes, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, this.#length)
      this.#buffer = larger
    }
    return true
  }
}
