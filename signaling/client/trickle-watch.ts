import type { PileUp } from './pace-watch.ts'

/** How far the packets of one kind had come at one moment; times in ms of one clock. */
export interface Arrived {
  readonly at: number
  readonly bytes: number
  readonly packets: number
  /** When the last packet came. */
  readonly lastPacketAt: number
}

/** The same of a picture's stream. */
export interface ArrivedPictures extends Arrived {
  /** Pictures of which all packets had come. */
  readonly pictures: number
}

interface Reading {
  readonly video: ArrivedPictures
  readonly sound: Arrived | null
}

/** A link is told of here that carries at most this share of what the stream takes; {@link PaceWatch} sees the others. */
const TRICKLE = 0.2
/** For so long no picture has got whole, ms: a shorter time is the start of any picture. */
const WITHOUT_PICTURE_MS = 45
/** Sound that is sent evenly and comes this much later than pictures that were sent after it stands in a queue, ms. */
const BEHIND_MS = 35
/** Sound is even from so many packets a second on. */
const EVEN_SOUND = 40
/** Readings without a whole picture that it takes, where no sound can tell. */
const WITHOUT_SOUND = 2
/** The last packet has come within this time, ms: else nothing comes, rather than little. */
const LATELY_MS = 40
/** What a stream takes is measured over so long, ms, and known from half of it on. */
const USUAL_MS = 2_000
/** With fewer pictures a second than this a time without one says nothing. */
const FEWEST_PICTURES = 20
/** What was told was wrong where the picture was whole so soon after the one before, ms. */
const WRONG_MS = 120
/** Whoever was wrong waits for twice as many readings from then on; for so long, ms. */
const MOST_READINGS = 8
const CAREFUL_FOR_MS = 1_800_000
/** What was told is not told again for so long, ms. */
const QUIET_MS = 1_000

/**
 * Sees that a link has fallen to a fraction of what a stream takes while the first slow picture is still coming: its
 * packets trickle. A picture of 18 kB takes 300 ms at 0.5 Mb/s; whoever waits until it is whole has another nine behind
 * it in the queue. Sound is what tells a queue from a gap: it is sent evenly, so pictures that come for longer than
 * sound is apart were sent in less time than they take to come.
 */
export class TrickleWatch {
  readonly #readings: Reading[] = []
  #told: { readonly at: number; readonly wholeAt: number; judged: boolean } | null = null
  #careful = { readings: 1, until: Number.POSITIVE_INFINITY }

  /**
   * The next reading of a stream that is received.
   * @returns what is to be told of a queue; null where there is none, or nobody knows
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
    // Late by when the next one was due; pictures are sent as a whole, so half a one more is in the queue in the mean.
    return { pace, late_ms: withoutMs - usual.pictureMs / 2 }
  }

  /** What the stream took up to a reading; null while nobody knows, or where pictures are too rare. */
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

  /** A picture is whole: was what was told before right? */
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
