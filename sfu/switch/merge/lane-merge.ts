import { machineMs } from '../../../common/clock.ts'
import { MAX_INPUTS } from '../../../common/wire/switched-inputs.ts'
import type { RtpPacket } from '../rtp-packet.ts'
import type { SwitchInput } from '../switch-input.ts'
import { TrackMerge } from './track-merge.ts'

/** An input on air of which only copies are left may become one of them again within this, ms. */
const COPY_AGAIN_MS = 2000
/** What the sound is among the outputs. */
export const SOUND = -1

export interface LaneMergeSink {
  /**
   * A packet of a merged unit leaves now.
   * @param output of the pictures, or {@link SOUND}
   * @param captureTimeId id of `abs-capture-time` in the packet; 0 without
   * @param hole something is missing before it in every copy
   */
  leaves(output: number, packet: RtpPacket, timestamp: number, captureTimeId: number, hole: boolean): void
  /** Inputs were merged, or are no more. */
  changed(): void
  /** The input claims the capture times of what is on air for other pictures. */
  refused(input: SwitchInput): void
}

/**
 * Merges, for each output of the lane, the inputs that carry what is on air. An input is a copy of each rendition for
 * itself: the smallest always comes, the others only when the hub has asked for them.
 */
export class LaneMerge implements Disposable {
  readonly #bufferMs: number
  readonly #sink: LaneMergeSink
  readonly #inputs: (SwitchInput | null)[] = Array.from({ length: MAX_INPUTS }, () => null)
  readonly #sound: TrackMerge
  readonly #video: TrackMerge[] = []
  /** Since when the input on air is none of the copies that leave in its name; null while it is. */
  #strayMs: number | null = null
  #timer: NodeJS.Timeout | undefined
  #timerMs = Number.POSITIVE_INFINITY

  /** @param bufferMs what one copy lacks is waited for by at most this long */
  constructor(bufferMs: number, sink: LaneMergeSink) {
    this.#bufferMs = bufferMs
    this.#sink = sink
    this.#sound = this.#open(SOUND)
  }

  resize(outputs: number): void {
    while (this.#video.length < outputs) this.#video.push(this.#open(this.#video.length))
    for (const gone of this.#video.splice(outputs)) gone.end()
  }

  get sound(): TrackMerge {
    return this.#sound
  }

  video(output: number): TrackMerge {
    return this.#video[output]!
  }

  /** The place of an input; takes a free one at first. There are as many as inputs of a lane. */
  place(input: SwitchInput): number {
    const place = this.#inputs.indexOf(input)
    if (place >= 0) return place
    const free = this.#inputs.indexOf(null)
    this.#inputs[free] = input
    return free
  }

  /** The inputs whose pictures are merged; none where what is on air has no copy. */
  get merged(): readonly SwitchInput[] {
    const [lowest] = this.#video
    if (!lowest || lowest.copies < 2) return []
    return this.#inputs.filter((input, place): input is SwitchInput => input !== null && lowest.isCopy(place))
  }

  /** Inputs that feed an output now. */
  feeding(output: number): readonly SwitchInput[] {
    const merge = this.#video[output]
    return this.#inputs.filter(
      (input, place): input is SwitchInput => input !== null && merge?.isCopy(place) === true,
    )
  }

  /** Whether copies leave in the name of this input, and it has been none of them for long. */
  hasLostItself(input: SwitchInput, nowMs: number): boolean {
    const [lowest] = this.#video
    if (!lowest || lowest.copies === 0 || lowest.isCopy(this.place(input))) this.#strayMs = null
    else this.#strayMs ??= nowMs
    if (this.#strayMs === null || nowMs - this.#strayMs < COPY_AGAIN_MS) return false
    this.#strayMs = null
    return true
  }

  /** Asks all inputs that feed a rendition for a keyframe. */
  askForKeyframe(rendition: number, nowMs: number): void {
    for (const input of this.feeding(rendition)) {
      const track = input.videoFor(rendition)
      if (track) input.askForKeyframe(track, nowMs)
    }
  }

  /** Tracks of an input that are no more are copies no more. */
  tracksChanged(input: SwitchInput): void {
    const place = this.place(input)
    const now = machineMs()
    for (const [output, merge] of this.#video.entries()) merge.keepOnly(place, input.videoFor(output), now)
    this.#sound.keepOnly(place, input.audio, now)
  }

  remove(input: SwitchInput): void {
    const place = this.#inputs.indexOf(input)
    if (place < 0) return
    const now = machineMs()
    for (const merge of [...this.#video, this.#sound]) merge.keepOnly(place, null, now)
    this.#inputs[place] = null
  }

  /** Nothing is on air. */
  end(): void {
    for (const merge of [...this.#video, this.#sound]) merge.end()
  }

  /** Call it after packets were taken: looks again when something has waited long enough. */
  arm(): void {
    let at = this.#sound.lookAgainMs
    for (const { lookAgainMs } of this.#video) at = Math.min(at, lookAgainMs)
    if (at >= this.#timerMs) return
    clearTimeout(this.#timer)
    this.#timerMs = at
    this.#timer = setTimeout(() => this.#look(), Math.max(at - machineMs(), 1))
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    this.#timerMs = Number.POSITIVE_INFINITY
    const now = machineMs()
    for (const merge of this.#video) merge.look(now)
    this.#sound.look(now)
    this.arm()
  }

  #open(output: number): TrackMerge {
    const sink = this.#sink
    return new TrackMerge({
      kind: output === SOUND ? 'audio' : 'video',
      places: MAX_INPUTS,
      bufferMs: this.#bufferMs,
      // Two encoders may make the same sound of the same tone. Whose pictures are others is no copy.
      ...(output === SOUND && { mayJoin: (place: number) => this.#video[0]?.isCopy(place) === true }),
      sink: {
        leaves: (packet, timestamp, captureTimeId, hole) =>
          sink.leaves(output, packet, timestamp, captureTimeId, hole),
        joined: () => sink.changed(),
        left: (place) => {
          if (output === 0 && this.#sound.copies > 1) this.#sound.part(place, machineMs())
          sink.changed()
        },
        refused: (place) => {
          const input = this.#inputs[place]
          if (output === 0 && input) sink.refused(input)
        },
      },
    })
  }
}
