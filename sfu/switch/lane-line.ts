import type { LaneClockState } from '../../common/wire/lane-ipc.ts'

const TICKS_PER_MS = 90
/** The least step between the pictures of two inputs, ticks: one frame at 30 a second. */
const STEP = 3000

/** Pictures may come so much earlier than when their input was joined: what delayed its first picture delays no more, ms. */
const LEAD_MS = 2000
/** Clocks differ by less than this: share of the time since an input was joined. */
const DRIFT = 0.001
/** A picture that is so much older than one that left is no late one: its clock was set, ms. */
const BEHIND_MS = 10_000
/** Sound and pictures of an input are further apart only where one of the clocks was set, ms. */
const SOUND_APART_MS = 5000

/**
 * Where an input's RTP timestamps lie on the lane's clock: the distance between the two, for each RTP clock. Sound and
 * pictures of an input have the same distance in time, so that lip sync is the input's.
 */
export interface InputLine {
  readonly video: number
  readonly audio: number
}

/**
 * The lane's clock over changes of input (90 kHz ticks as in {@link LaneClockState}). The first picture of a new input
 * comes as long after the last picture of the input before as it arrived after that picture: what receivers keep as
 * the delay of the stream stays. Pure: no clock, no I/O.
 */
export class LaneLine {
  readonly #epochMs: number
  readonly #offset: number
  /** The last ticks that left, and when they left by `machineMs`; NaN under a predecessor. */
  #last: number
  #lastAtMs = Number.NaN
  /** The same of sound, in ticks of the pictures. It may be ahead of them. */
  #lastSound: number
  /** The first picture of the input that was joined last, and when it came; NaN before the first. */
  #joined = Number.NaN
  #joinedAtMs = Number.NaN

  constructor({ epochMs, offset90k, last90k }: LaneClockState) {
    this.#epochMs = epochMs
    this.#offset = offset90k
    this.#last = last90k
    this.#lastSound = last90k
  }

  isSame({ epochMs, offset90k }: LaneClockState): boolean {
    return epochMs === this.#epochMs && offset90k === this.#offset
  }

  get state(): LaneClockState {
    const last90k = Math.max(this.#last, this.#lastSound)
    return { epochMs: this.#epochMs, offset90k: this.#offset, last90k }
  }

  /** The RTP timestamp after which sound goes on; null on a lane without a past. */
  get lastSample(): number | null {
    return this.#lastSound === 0 ? null : modulo32(Math.ceil((this.#lastSound * 48) / 90))
  }

  /** The ticks of a moment by `machineMs`. */
  ticksAt(nowMs: number): number {
    return this.#offset + (nowMs - this.#epochMs) * TICKS_PER_MS
  }

  /** Where the pictures are now: as long after the last one as that one is ago. */
  position(nowMs: number): number {
    return Number.isNaN(this.#lastAtMs)
      ? Math.max(this.ticksAt(nowMs), this.#last)
      : this.#last + (nowMs - this.#lastAtMs) * TICKS_PER_MS
  }

  /** The ticks for something that begins now. They are ahead of everything that left. */
  next(nowMs: number): number {
    const due = this.position(nowMs)
    return Math.round(Math.max(due, this.#last === 0 ? due : this.#last + STEP))
  }

  /**
   * Whether a picture can't have this place on the lane now: the clock of its input was set, or its publisher plays with
   * it. Such a picture would take the lane hours ahead, and the sound of other inputs would come too late for that long.
   */
  isFar(timestamp: number, nowMs: number): boolean {
    if (Number.isNaN(this.#joined)) return false
    const ticks = unwrap(timestamp, this.#last)
    const sinceMs = nowMs - this.#joinedAtMs
    const most = this.#joined + (sinceMs * (1 + DRIFT) + LEAD_MS) * TICKS_PER_MS
    return ticks > most || ticks < this.#last - BEHIND_MS * TICKS_PER_MS
  }

  /** The same of a sample. */
  isSoundFar(timestamp: number, nowMs: number): boolean {
    const here = this.position(nowMs)
    const ticks = (unwrap(timestamp, (here * 48) / 90) * 90) / 48
    return Math.abs(ticks - here) > SOUND_APART_MS * TICKS_PER_MS
  }

  /** Something with these ticks, unwrapped, left at `nowMs`. */
  left(ticks: number, nowMs: number): void {
    if (ticks <= this.#last) return
    this.#last = ticks
    this.#lastAtMs = nowMs
  }

  /** As {@link left}, with the low 32 bits of the ticks. */
  leftRtp(timestamp: number, nowMs: number): void {
    this.left(unwrap(timestamp, this.#last === 0 ? this.ticksAt(nowMs) : this.#last), nowMs)
  }

  /** A sample with this RTP timestamp left at `nowMs`. */
  soundLeft(timestamp: number, nowMs: number): void {
    const near = this.#lastSound === 0 ? this.ticksAt(nowMs) : this.#lastSound
    const ticks = (unwrap(timestamp, (near * 48) / 90) * 90) / 48
    this.#lastSound = Math.max(this.#lastSound, Math.round(ticks))
  }

  /**
   * The line of an input whose picture with this RTP timestamp leaves now.
   * @param clock of the input's own lane; null where nobody knows it, and then sound follows by arrival
   */
  join(timestamp: number, nowMs: number, clock: LaneClockState | null): InputLine {
    this.#joined = this.next(nowMs)
    this.#joinedAtMs = nowMs
    return this.#lineTo(this.#joined, timestamp, nowMs, clock)
  }

  /** The line of an input whose pictures lie on the lane already: they lack `video` ticks. The rest as for {@link join}. */
  along(video: number, timestamp: number, nowMs: number, clock: LaneClockState | null): InputLine {
    const ticks = unwrap(modulo32(timestamp + video), this.#last === 0 ? this.ticksAt(nowMs) : this.#last)
    return this.#lineTo(ticks, timestamp, nowMs, clock)
  }

  #lineTo(ticks: number, timestamp: number, nowMs: number, clock: LaneClockState | null): InputLine {
    const video = (ticks - timestamp) >>> 0
    const inputNow = clock ? clock.offset90k + (nowMs - clock.epochMs) * TICKS_PER_MS : timestamp
    const input = unwrap(timestamp, inputNow)
    return { video, audio: modulo32(Math.round(((ticks - input) * 48) / 90)) }
  }

  /** The line of an input of which only sound leaves: its sample with this RTP timestamp leaves now. */
  joinSound(timestamp: number, nowMs: number): InputLine {
    const samples = Math.round((this.position(nowMs) * 48) / 90)
    return { video: 0, audio: modulo32(samples - timestamp) }
  }
}

/** The number with these low 32 bits that is nearest to `near`. */
function unwrap(low: number, near: number): number {
  const base = Math.round(near)
  return base + ((low - modulo32(base)) | 0)
}

function modulo32(value: number): number {
  return ((value % 2 ** 32) + 2 ** 32) % 2 ** 32
}
