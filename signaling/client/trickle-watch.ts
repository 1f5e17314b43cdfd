import type { PileUp } from './pace-watch.ts'

/** How much of one kind had arrived at one moment. Times in ms of one clock. */
export interface Arrived {
  readonly at: number
  readonly bytes: number
  readonly packets: number
  /** When the last packet came. */
  readonly lastPacketAt: number
}

/** The same for a stream of pictures. */
export interface ArrivedPictures extends Arrived {
  /** Number of whole pictures. */
  readonly pictures: number
}

interface Reading {
  readonly video: ArrivedPictures
  readonly sound: Arrived | null
}

/** This watch reports links that carry at most this share of the stream. {@link PaceWatch} sees the others. */
const TRICKLE = 0.2
/** No picture was whole for this long, ms. A shorter time is the start of any picture. */
const WITHOUT_PICTURE_MS = 45
/** Evenly sent sound that comes this much later than pictures that were sent after it waits in a queue, ms. */
const BEHIND_MS = 35
/** Sound is even from this many packets a second on. */
const EVEN_SOUND = 40
/** Readings without a whole picture that are needed without sound. */
const WITHOUT_SOUND = 2
/** The last packet came within this time, ms. Otherwise nothing comes, rather than little. */
const LATELY_MS = 40
/** The usual bytes of a stream are measured over this time, ms, and known from half of it on. */
const USUAL_MS = 2_000
/** With fewer pictures a second than this, a time without a picture says nothing. */
const FEWEST_PICTURES = 20
/** A report was wrong if the picture was whole this soon after the one before, ms. */
const WRONG_MS = 120
/** A watch that was wrong needs twice as many readings from then on, up to this many, for this long, ms. */
const MOST_READINGS = 8
const CAREFUL_FOR_MS = 1_800_000
/** A report is not repeated for this long, ms. */
const QUIET_MS = 1_000

/**
 * Sees that a link has fallen to a fraction of what a stream takes while the first slow picture is still coming: its
 * packets trickle. A picture of 18 kB takes 300 ms at 0.5 Mb/s, and until it is whole another nine pictures are in the
 * queue. Sound tells a queue from a gap, because sound is sent evenly: pictures that arrive over a longer time than the
 * distance of two sound packets were sent faster than they arrive.
 */
export class TrickleWatch {
  readonly #readings: Reading[] = []
  #told: { readonly at: number; readonly wholeAt: number; judged: boolean } | null = null
  #careful = { readings: 1, until: Number.POSITIVE_INFINITY }

  /**
   * Takes the next reading of a received stream.
   * @returns the report about a queue; null where there is none, or where that is unknown
   */
  add(video: ArrivedPictures, sound: Arrived | null): PileUp | null {
    const last = this.#readings.at(-1)?.video
    if (last && video.at <= last.at) return null
    // Another stream, or the page stood still.
    if (last && (video.bytes < last.bytes || video.at - last.at > USUAL_MS / 2)) this.#readings.length = 0
    this.#readings.push({ video, sound })
    while (video.at - this.#readings[0]!.video.at > USUAL_MS) this.#readings.shift()
    if (!last || video.pictures > last.pictures) {
      this.#judge(video.at)
      return null
    }
    return this.#trickles()
  }

  #trickles(): PileUp | null {
    const { video, sound } = this.#readings.at(-1)!
    if (this.#told && video.at - this.#told.at < QUIET_MS) return null
    const from = this.#readings.findIndex((each) => each.video.pictures === video.pictures)
    const begun = this.#readings[from]!
    const withoutMs = video.at - begun.video.at
    if (withoutMs < WITHOUT_PICTURE_MS || video.packets === begun.video.packets) return null
    if (video.at - video.lastPacketAt > LATELY_MS) return null
    const usual = this.#usual(from)
    if (usual === null) return null
    const pace = (video.bytes - begun.video.bytes) / withoutMs / usual.bytesPerMs
    if (pace > TRICKLE) return null
    const even = this.#hasEvenSound(from)
    if (even && video.lastPacketAt - sound!.lastPacketAt < BEHIND_MS) return null
    const readings = this.#readings.length - 1 - from
    if (readings < Math.max(this.#careful.readings, even ? 1 : WITHOUT_SOUND)) return null
    this.#told = { at: video.at, wholeAt: begun.video.at, judged: false }
    // Late since the next picture was due. Pictures are sent whole, so on average half a picture more is queued.
    return { pace, late_ms: withoutMs - usual.pictureMs / 2 }
  }

  /** What the stream took up to a reading; null while that is unknown, or where pictures are too rare. */
  #usual(to: number): { readonly bytesPerMs: number; readonly pictureMs: number } | null {
    const [first, last] = [this.#readings[0]!.video, this.#readings[to]!.video]
    const ms = last.at - first.at
    const pictures = last.pictures - first.pictures
    if (ms < USUAL_MS / 2 || pictures * 1000 < FEWEST_PICTURES * ms) return null
    return { bytesPerMs: (last.bytes - first.bytes) / ms, pictureMs: ms / pictures }
  }

  #hasEvenSound(to: number): boolean {
    const [first, last] = [this.#readings[0]!, this.#readings[to]!]
    if (!first.sound || !last.sound || !this.#readings.at(-1)!.sound) return false
    return (last.sound.packets - first.sound.packets) * 1000 >= EVEN_SOUND * (last.video.at - first.video.at)
  }

  /** A picture is whole: was the last report right? */
  #judge(now: number): void {
    if (now > this.#careful.until) this.#careful = { readings: 1, until: Number.POSITIVE_INFINITY }
    const told = this.#told
    if (!told || told.judged) return
    told.judged = true
    if (now - told.wholeAt >= WRONG_MS) return
    const readings = Math.min(MOST_READINGS, this.#careful.readings * 2)
    this.#careful = { readings, until: now + CAREFUL_FOR_MS }
  }
}
