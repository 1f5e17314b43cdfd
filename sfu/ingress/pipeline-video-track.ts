import { createNalIndex, indexNals } from './h264/annex-b.ts'
import { ParameterSets } from './h264/parameter-sets.ts'
import { ReorderProbe } from './h264/reorder-probe.ts'
import type { SequenceParameterSet } from './h264/sequence-parameter-set.ts'
import { readSliceHeader, type SliceHeader, sliceTypeB } from './h264/slice-header.ts'
import { addToPts, ptsDifference } from './mpegts/timestamp.ts'
import type { Refusal } from './pipeline-types.ts'
import { refusals } from './refusals.ts'
import type { H264Packetizer } from './rtp/h264-packetizer.ts'

/** NAL unit types, ITU-T H.264 table 7-1. */
const nalSlice = 1
const nalIdr = 5
const nalSei = 6
const nalSps = 7
const nalPps = 8
const nalDelimiter = 9

const defaultFrameTicks = 3_000
const longestStep = 45_000
const ticksPerMs = 90

export interface VideoTrackSink {
  /** One access unit was looked at; fetch its NAL units with {@link VideoTrack.fill} before returning. */
  accessUnit(track: VideoTrack, pts: number, keyframe: boolean): void
  /** An access unit could not be understood and is left out. */
  damaged(track: VideoTrack): void
}

const index = createNalIndex()
const slice: SliceHeader = { firstMacroblock: 0, type: 0, ppsId: 0 }

/**
 * One H.264 elementary stream: splits PES payloads into access units, keeps parameter sets, and knows whether the
 * stream is fit for browsers.
 */
export class VideoTrack {
  readonly pid: number
  readonly #sink: VideoTrackSink
  readonly #sets = new ParameterSets()
  readonly #probe = new ReorderProbe()
  #sps: SequenceParameterSet | null = null
  #ready = false
  #keyframeSeen = false
  #sinceKeyframe = 0
  #framesSinceKeyframe = 0
  #lastPts = -1
  #data: Buffer = Buffer.alloc(0)
  #first = 0
  #last = 0
  #ppsId = 0
  #ppsChanged = false
  /** At least one unit of this stream was received. */
  alive = false
  accessUnits = 0
  dropped = 0
  bytes = 0
  gopFrames = 0

  constructor(pid: number, sink: VideoTrackSink) {
    this.pid = pid
    this.#sink = sink
  }

  get sps(): SequenceParameterSet | null {
    return this.#sps
  }

  /** A keyframe was seen and pictures are in order; stays so until the content is found at fault. */
  get ready(): boolean {
    return this.#ready
  }

  /** Since the sender started. */
  get keyframeSeen(): boolean {
    return this.#keyframeSeen
  }

  /** Why browsers could not play it, as far as its content goes. */
  get fault(): Refusal | null {
    const sps = this.#sps
    if (!sps) return null
    if (!sps.progressive) return refusals.interlaced(this.pid)
    if (!sps.browserFormat) return refusals.unsupportedFormat(this.pid, sps.profile)
    if (this.#probe.verdict === 'reordered') return refusals.bFrames(this.pid)
    return null
  }

  /** Whether keyframes stay away. @param probationMs before the first. @param gapMs between two */
  lacksKeyframe(probationMs: number, gapMs: number): boolean {
    return this.#sinceKeyframe >= (this.#keyframeSeen ? gapMs : probationMs) * ticksPerMs
  }

  /** The sender started anew: its first keyframe is awaited again. */
  restart(): void {
    this.alive = false
    this.#keyframeSeen = false
    this.#sinceKeyframe = 0
    this.#framesSinceKeyframe = 0
    this.#lastPts = -1
    this.#probe.restart()
  }

  /** @param pts 33 bit, 90 kHz, or -1 when the PES packet has none */
  unit(data: Buffer, from: number, to: number, pts: number): void {
    this.alive = true
    this.bytes += to - from
    indexNals(data, from, to, index)
    if (index.damaged) {
      this.drop()
      return
    }
    this.#data = data
    let at = 0
    let unitPts = pts >= 0 ? pts : this.#nextPts()
    while (at < index.count) {
      const next = this.#unitEnd(at)
      if (next < 0) {
        this.drop()
        return
      }
      this.#first = at
      this.#last = next
      if (this.#look(unitPts)) unitPts = this.#nextPts()
      at = next
    }
  }

  /** Counts a lost or unreadable access unit. */
  drop(): void {
    this.dropped += 1
    this.#sink.damaged(this)
  }

  /** Adds the NAL units of the access unit under way, a keyframe's with all parameter sets in front. */
  fill(packetizer: H264Packetizer, keyframe: boolean): void {
    if (keyframe) this.#sets.forEachNeeded(this.#ppsId, (nal) => packetizer.add(nal, 0, nal.length))
    for (let nal = this.#first; nal < this.#last; nal++) {
      const from = index.starts[nal]!
      const type = this.#data[from]! & 0x1f
      const wanted = type === nalPps ? !keyframe && this.#ppsChanged : type >= nalSlice && type <= nalIdr
      if (wanted) packetizer.add(this.#data, from, index.ends[nal]!)
    }
  }

  /** Where the access unit that starts at NAL unit `first` ends (section 7.4.1.2.3), or -1 for an unreadable slice. */
  #unitEnd(first: number): number {
    let coded = false
    for (let nal = first; nal < index.count; nal++) {
      const from = index.starts[nal]!
      const type = this.#data[from]! & 0x1f
      if (type === nalSlice || type === nalIdr) {
        if (!readSliceHeader(this.#data, from, index.ends[nal]!, slice)) return -1
        if (coded && slice.firstMacroblock === 0) return nal
        coded = true
      } else if (coded && type >= nalSei && type <= nalDelimiter) return nal
    }
    return index.count
  }

  /** @returns whether there was a picture */
  #look(pts: number): boolean {
    let coded = false
    let idr = false
    let hasB = false
    this.#ppsChanged = false
    for (let nal = this.#first; nal < this.#last; nal++) {
      const from = index.starts[nal]!
      const to = index.ends[nal]!
      const type = this.#data[from]! & 0x1f
      if (type === nalSps) this.#sets.addSps(this.#data, from, to)
      else if (type === nalPps)
        this.#ppsChanged = this.#sets.addPps(this.#data, from, to) === 'changed' || this.#ppsChanged
      else if (type === nalSlice || type === nalIdr) {
        readSliceHeader(this.#data, from, to, slice)
        if (!coded) this.#ppsId = slice.ppsId
        coded = true
        idr ||= type === nalIdr
        hasB ||= slice.type === sliceTypeB
      }
    }
    if (!coded) return false
    this.#observe(pts, idr, hasB)
    return true
  }

  #observe(pts: number, idr: boolean, hasB: boolean): void {
    const sps = this.#sets.active(this.#ppsId)
    const keyframe = idr && sps !== null
    const step = this.#lastPts < 0 ? 0 : ptsDifference(pts, this.#lastPts)
    this.#lastPts = pts
    this.accessUnits += 1
    this.#framesSinceKeyframe += 1
    this.#sinceKeyframe += Math.min(Math.max(step, 0), longestStep)
    if (sps && sps !== this.#sps && (keyframe || !this.#sps)) {
      this.#sps = sps
      this.#probe.configure(sps)
      // a new encoder that says it may reorder has to prove that it doesn't; others are believed until they do
      if ((sps.maxReorderFrames ?? 0) > 0) this.#ready = false
    }
    this.#probe.picture(pts, hasB)
    if (keyframe) {
      if (this.#keyframeSeen) this.gopFrames = this.#framesSinceKeyframe
      this.#framesSinceKeyframe = 0
      this.#sinceKeyframe = 0
      this.#keyframeSeen = true
    }
    if (this.fault) this.#ready = false
    else if (this.#keyframeSeen && this.#probe.verdict === 'in-order') this.#ready = true
    this.#sink.accessUnit(this, pts, keyframe)
  }

  #nextPts(): number {
    return this.#lastPts < 0 ? 0 : addToPts(this.#lastPts, this.#sps?.frameTicks ?? defaultFrameTicks)
  }
}
