import { beginsNal, type NalIndex } from '../../../common/h264/annex-b.ts'
import { NalBuffer } from './nal-buffer.ts'
import type { ParameterSets } from './parameter-sets.ts'
import { PesPacking } from './pes-packing.ts'
import { createSliceHeader, readSliceHeader, samePicture, sliceTypeB } from './slice-header.ts'

/** NAL unit types, ITU-T H.264 table 7-1. */
export const nalSlice = 1
export const nalIdr = 5
const nalSei = 6
const nalSps = 7
export const nalPps = 8
const nalDelimiter = 9

export interface AccessUnitSink {
  /** A picture is whole. Its facts and NAL units belong to the finder until this returns. @param pts 33 bit, or -1 */
  accessUnit(pts: number): void
  /** A picture arrived damaged and is left out. */
  damaged(): void
  /** A picture that was handed on as whole goes on: nothing after it can be decoded before the next keyframe. */
  cutShort(): void
}

/**
 * Finds access units in the byte stream of PES packets, however it is cut (ITU-T H.264 sections 7.4.1.2.3 and
 * 7.4.1.2.4): one picture a packet, several, a packet for each slice, or cuts at any byte. Where pictures are known to
 * come whole, each is handed on with the packet that ends it, from that packet's own memory.
 */
export class AccessUnitFinder {
  readonly #sets: ParameterSets
  readonly #sink: AccessUnitSink
  readonly #packing = new PesPacking()
  readonly #nals: NalBuffer
  #slice = createSliceHeader()
  /** The first slice of the open picture. */
  #picture = createSliceHeader()
  #packet = 0
  /** The packet whose beginning {@link PesPacking} knows. */
  #judged = 0
  /** A keyframe has begun since then. */
  #keyframes = false
  /** The packet whose PTS an access unit has taken. */
  #timed = 0
  /** PTS of a packet that held no picture, or -1. */
  #carriedPts = -1
  /** First NAL unit of the open access unit. */
  #first = 0
  /** The NAL unit to look at next. */
  #next = 0
  /** Where another access unit begins, unless the next slice continues this one; or -1. */
  #boundary = -1
  /** The open access unit has a slice. */
  #coded = true
  /** The open access unit is not whole, and is not handed on. */
  #lost = true
  /** No slice is known of what is lost. */
  #blind = true
  /** The open access unit was handed on. */
  #sent = false
  #end = 0
  #pts = -1
  #idr = false
  #hasB = false
  #ppsChanged = false

  constructor(sets: ParameterSets, sink: AccessUnitSink, maxBytes: number) {
    this.#sets = sets
    this.#sink = sink
    this.#nals = new NalBuffer(maxBytes)
  }

  /** The memory of {@link nals}. */
  get data(): Buffer {
    return this.#nals.data
  }

  /** The access unit's NAL units are those from `first` to before `end`. */
  get nals(): NalIndex {
    return this.#nals.index
  }

  get first(): number {
    return this.#first
  }

  get end(): number {
    return this.#end
  }

  /** Whether it is an IDR picture. */
  get idr(): boolean {
    return this.#idr
  }

  /** Whether it has a B slice. */
  get hasB(): boolean {
    return this.#hasB
  }

  /** Whether it brings a PPS that was not known. */
  get ppsChanged(): boolean {
    return this.#ppsChanged
  }

  /** PPS of its first slice. */
  get ppsId(): number {
    return this.#picture.ppsId
  }

  /** Bytes of memory. */
  get capacity(): number {
    return this.#nals.capacity
  }

  /** The payload of a whole PES packet. @param pts 33 bit, or -1 when the packet has none */
  push(data: Buffer, from: number, to: number, pts: number): void {
    if (to <= from) return
    this.#packet += 1
    if (!beginsNal(data, from, to)) this.#continued()
    if (this.#nals.take(data, from, to, this.#packet, pts)) this.#look(pts)
    else this.#giveUp()
  }

  /** Packets are missing before the next one: the open picture is not whole. */
  lose(): void {
    this.#drop()
    this.#lost = true
    this.#blind = true
    this.#coded = true
    this.#sent = false
    this.#keyframes = false
  }

  /** Nothing came for long: the kept bytes are the whole picture. */
  flush(): void {
    if (!this.#nals.keeps || !this.#coded || this.#lost || this.#sent) return
    this.#nals.close()
    if (this.#classify()) this.#endPacket()
  }

  /** The sender started again. */
  restart(): void {
    this.lose()
    this.#packing.restart()
    this.#carriedPts = -1
  }

  #look(pts: number): void {
    if (!this.#classify()) return
    if (!this.#packing.whole) {
      this.#keep()
      return
    }
    this.#nals.close()
    if (!this.#classify()) return
    if (!this.#coded) this.#carriedPts = pts
    this.#endPacket()
  }

  /** The end of a packet is the end of its last picture. */
  #endPacket(): void {
    this.#handOn(this.#boundary < 0 ? this.#nals.index.count : this.#boundary)
    if (this.#coded) this.#sent = !this.#lost
    this.#drop()
  }

  /** Looks at NAL units until they show what they are. @returns false when they are no picture and were given up */
  #classify(): boolean {
    const { data, index } = this.#nals
    while (this.#next < index.count || (index.open && this.#next === index.count)) {
      const nal = this.#next
      const open = nal === index.count
      const from = index.starts[nal]!
      const end = open ? this.#nals.end : index.ends[nal]!
      if (from >= end) break
      const type = data[from]! & 0x1f
      if (type === nalSlice || type === nalIdr) {
        if (readSliceHeader(data, from, end, this.#sets, this.#slice)) this.#onSlice(nal)
        else if (open) break
        else index.damaged = true
      } else if (type === nalSps || type === nalPps) {
        if (open) break
        this.#onParameterSet(nal, type)
      } else if (type >= nalSei && type <= nalDelimiter) this.#mayBegin(nal)
      this.#next = nal + 1
    }
    if (!index.damaged) return true
    this.#giveUp()
    return false
  }

  #onSlice(nal: number): void {
    const slice = this.#slice
    const inside = slice.firstMacroblock > 0
    const goesOn = inside && this.#coded && (this.#blind || samePicture(slice, this.#picture))
    if (this.#nals.packets[nal] !== this.#judged) {
      this.#judged = this.#nals.packets[nal]!
      if (inside) this.#packing.continued()
      else this.#packing.began(this.#keyframes)
      this.#keyframes = false
    }
    if (goesOn) {
      this.#boundary = -1
      if (this.#sent) this.#wasCutShort()
    } else {
      if (this.#coded) this.#newUnit(nal)
      this.#begin(nal)
    }
    if (!goesOn || this.#blind) {
      this.#slice = this.#picture
      this.#picture = slice
      this.#blind = false
    }
    this.#idr ||= slice.idr
    this.#keyframes ||= slice.idr && !this.#lost
    this.#hasB ||= slice.type === sliceTypeB
  }

  /** A picture begins with this slice. */
  #begin(nal: number): void {
    const first = Math.min(this.#first, nal)
    // Parameter sets may come in a packet of their own, with or without the PTS.
    this.#pts = this.#timeOf(this.#nals.times[first]! < 0 ? nal : first)
    if (this.#pts < 0) this.#pts = this.#carriedPts
    this.#carriedPts = -1
    this.#coded = true
    this.#blind = false
    if (this.#slice.firstMacroblock === 0) return
    // The picture's first slice never came.
    this.#lost = true
    this.#sink.damaged()
  }

  /** A PTS belongs to the first access unit that begins in a packet, ISO/IEC 13818-1 section 2.4.3.7. */
  #timeOf(nal: number): number {
    const packet = this.#nals.packets[nal]!
    if (packet === this.#timed) return -1
    const pts = this.#nals.times[nal]!
    if (pts >= 0) this.#timed = packet
    return pts
  }

  #onParameterSet(nal: number, type: number): void {
    const { data, index } = this.#nals
    const from = index.starts[nal]!
    const to = index.ends[nal]!
    const sps = type === nalSps
    if (this.#sets.isKnown(data, from, to, sps ? 'sps' : 'pps')) {
      this.#mayBegin(nal)
      return
    }
    // The parameter sets that the last picture refers to must leave before they are replaced.
    if (this.#coded) this.#newUnit(nal)
    if (sps) this.#sets.addSps(data, from, to)
    else if (this.#sets.addPps(data, from, to) === 'changed') this.#ppsChanged = true
  }

  #mayBegin(nal: number): void {
    if (this.#coded && this.#boundary < 0) this.#boundary = nal
  }

  /** The open access unit ends where the next one begins: at the boundary, or here. */
  #newUnit(nal: number): void {
    const next = this.#boundary < 0 ? nal : this.#boundary
    this.#handOn(next)
    this.#first = next
    this.#boundary = -1
    this.#coded = false
    this.#lost = false
    this.#sent = false
    this.#idr = false
    this.#hasB = false
    this.#ppsChanged = false
  }

  #handOn(end: number): void {
    if (!this.#coded || this.#lost || this.#sent) return
    this.#end = end
    this.#sink.accessUnit(this.#pts)
  }

  /** A packet began inside a NAL unit. */
  #continued(): void {
    this.#packing.continued()
    this.#judged = this.#packet
    if (this.#coded && this.#sent) this.#wasCutShort()
  }

  #wasCutShort(): void {
    this.#sent = false
    this.#lost = true
    this.#sink.cutShort()
  }

  #giveUp(): void {
    this.lose()
    this.#sink.damaged()
  }

  #drop(): void {
    this.#nals.clear()
    this.#first = 0
    this.#next = 0
    this.#boundary = -1
  }

  /** Keeps what was not handed on yet. */
  #keep(): void {
    const over = this.#coded && (this.#lost || this.#sent)
    const wanted = over ? (this.#boundary < 0 ? this.#next : this.#boundary) : this.#first
    const none = wanted >= this.#nals.units
    this.#nals.keep(wanted)
    this.#first = 0
    this.#next = none ? 0 : this.#next - wanted
    this.#boundary = none || this.#boundary < 0 ? -1 : this.#boundary - wanted
  }
}
