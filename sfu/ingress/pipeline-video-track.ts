import { addToPts, ptsDifference } from '../../common/pts.ts'
import type { H264Packetizer } from '../../common/rtp/h264-packetizer.ts'
import { AccessUnitFinder, nalIdr, nalPps, nalSlice } from './h264/access-unit-finder.ts'
import { ParameterSets } from './h264/parameter-sets.ts'
import { ReorderProbe } from './h264/reorder-probe.ts'
import type { SequenceParameterSet } from './h264/sequence-parameter-set.ts'
import type { Refusal } from './pipeline-types.ts'
import { refusals } from './refusals.ts'

const defaultFrameTicks = 3_000
const longestStep = 45_000
const ticksPerMs = 90
/** Longer than the distance of two packets of one picture with any encoder, ms. */
const wholeAfterMs = 500

export interface VideoTrackSink {
  /** One access unit was examined. Fetch its NAL units with {@link VideoTrack.fill} before returning. */
  accessUnit(track: VideoTrack, pts: number, keyframe: boolean): void
  /** An access unit could not be understood and is left out. */
  damaged(track: VideoTrack): void
  /** An examined access unit had more to it: nothing after it can be decoded before the next keyframe. */
  cutShort(track: VideoTrack): void
}

/**
 * One H.264 elementary stream: finds its access units, keeps its parameter sets, and knows whether the stream is fit
 * for browsers.
 */
export class VideoTrack {
  readonly pid: number
  readonly #sink: VideoTrackSink
  readonly #sets = new ParameterSets()
  readonly #probe = new ReorderProbe()
  readonly #finder: AccessUnitFinder
  #sps: SequenceParameterSet | null = null
  #ready = false
  #keyframeSeen = false
  #sinceKeyframe = 0
  #framesSinceKeyframe = 0
  /** Access units left out since the last keyframe. */
  #lostSinceKeyframe = 0
  #lastPts = -1
  #unitAtMs = 0
  /** At least one unit of this stream was received. */
  alive = false
  accessUnits = 0
  dropped = 0
  bytes = 0
  gopFrames = 0
  keyframeGapMs = 0

  /** @param maxBytes of an access unit */
  constructor(pid: number, sink: VideoTrackSink, maxBytes: number) {
    this.pid = pid
    this.#sink = sink
    this.#finder = new AccessUnitFinder(
      this.#sets,
      {
        accessUnit: (pts) => this.#observe(pts >= 0 ? pts : this.#nextPts()),
        damaged: () => this.#leftOut(),
        cutShort: () => {
          this.dropped += 1
          sink.cutShort(this)
        },
      },
      maxBytes,
    )
  }

  /** Memory of the open access unit, bytes. */
  get bufferedBytes(): number {
    return this.#finder.capacity
  }

  get sps(): SequenceParameterSet | null {
    return this.#sps
  }

  /** A keyframe came and pictures are in order. Stays true until the content is found faulty. */
  get ready(): boolean {
    return this.#ready
  }

  /** Whether a keyframe came since the sender started. */
  get keyframeSeen(): boolean {
    return this.#keyframeSeen
  }

  /** Why browsers could not play the stream, judging by its content. */
  get fault(): Refusal | null {
    const sps = this.#sps
    if (!sps) return null
    if (!sps.progressive) return refusals.interlaced(this.pid)
    if (!sps.browserFormat) return refusals.unsupportedFormat(this.pid, sps.profile)
    if (this.#probe.verdict === 'reordered') return refusals.bFrames(this.pid)
    return null
  }

  /** Whether keyframes stay away. @param probationMs before the first one @param gapMs between two */
  lacksKeyframe(probationMs: number, gapMs: number): boolean {
    return this.#sinceKeyframe >= (this.#keyframeSeen ? gapMs : probationMs) * ticksPerMs
  }

  /** Why there is no keyframe, as far as that is known. */
  get keyframeRefusal(): Refusal {
    return this.#lostSinceKeyframe > 0 ? refusals.keyframesLost(this.pid) : refusals.noKeyframe(this.pid)
  }

  /** The sender started again: its first keyframe is awaited. */
  restart(): void {
    this.alive = false
    this.#keyframeSeen = false
    this.#sinceKeyframe = 0
    this.#framesSinceKeyframe = 0
    this.#lostSinceKeyframe = 0
    this.#lastPts = -1
    this.#probe.restart()
    this.#finder.restart()
  }

  /**
   * @param pts 33 bit, 90 kHz, or -1 when the PES packet has none
   * @param nowMs of the same clock as for {@link tick}
   */
  unit(data: Buffer, from: number, to: number, pts: number, nowMs: number): void {
    this.alive = true
    this.#unitAtMs = nowMs
    this.bytes += to - from
    this.#finder.push(data, from, to, pts)
  }

  /** A picture that got nothing more for long is whole. */
  tick(nowMs: number): void {
    if (nowMs - this.#unitAtMs >= wholeAfterMs) this.#finder.flush()
  }

  /** Counts a lost access unit. */
  drop(): void {
    this.#finder.lose()
    this.#leftOut()
  }

  /** Adds the NAL units of the open access unit; for a keyframe with all parameter sets in front. */
  fill(packetizer: H264Packetizer, keyframe: boolean): void {
    const { data, nals, first, end, ppsId, ppsChanged } = this.#finder
    if (keyframe) this.#sets.forEachNeeded(ppsId, (nal) => packetizer.add(nal, 0, nal.length))
    for (let nal = first; nal < end; nal++) {
      const from = nals.starts[nal]!
      const type = data[from]! & 0x1f
      const wanted = type === nalPps ? !keyframe && ppsChanged : type >= nalSlice && type <= nalIdr
      if (wanted) packetizer.add(data, from, nals.ends[nal]!)
    }
  }

  #leftOut(): void {
    this.dropped += 1
    this.#lostSinceKeyframe += 1
    this.#sink.damaged(this)
  }

  #observe(pts: number): void {
    const { idr, hasB, ppsId } = this.#finder
    const sps = this.#sets.active(ppsId)
    const keyframe = idr && sps !== null
    const step = this.#lastPts < 0 ? 0 : ptsDifference(pts, this.#lastPts)
    this.#lastPts = pts
    this.accessUnits += 1
    this.#framesSinceKeyframe += 1
    this.#sinceKeyframe += Math.min(Math.max(step, 0), longestStep)
    if (sps && sps !== this.#sps && (keyframe || !this.#sps)) {
      this.#sps = sps
      this.#probe.configure(sps)
      // A new encoder that declares reordering must prove that it does none. Others are trusted until they reorder.
      if ((sps.maxReorderFrames ?? 0) > 0) this.#ready = false
    }
    this.#probe.picture(pts, hasB)
    if (keyframe) {
      if (this.#keyframeSeen) {
        this.gopFrames = this.#framesSinceKeyframe
        this.keyframeGapMs = this.#sinceKeyframe / ticksPerMs
      }
      this.#framesSinceKeyframe = 0
      this.#lostSinceKeyframe = 0
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
