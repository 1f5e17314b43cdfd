import type { PictureState } from '../../common/wire/ingress-ipc.ts'
import { Cadence } from './cadence.ts'

/** Pictures that stay away for this long while sound goes on are missing, ms. */
const MISSED_AFTER_MS = 2000
/** This many left-out pictures within this time are a disturbance, ms. */
const DISTURBING_LOSSES = 3
const DISTURBED_WITHIN_MS = 3000
/** A disturbance is over after this long without a left-out picture, ms. */
const UNDISTURBED_AFTER_MS = 5000

/** Pictures of a stream, counted since its process began. */
export interface PictureCounts {
  /** The sender announces pictures. */
  readonly announced: boolean
  /** Came whole. */
  readonly arrived: number
  /** Sent to the viewers. */
  readonly sent: number
  /** Arrived damaged, or can't be decoded because an earlier picture was. */
  readonly leftOut: number
}

/** Judges what happens to pictures on their way to the hub. Pure: callers give the time, ms of a monotonic clock. */
export class PictureWatch {
  readonly #cadence = new Cadence()
  readonly #losses: number[] = []
  #last: PictureCounts = { announced: false, arrived: 0, sent: 0, leftOut: 0 }
  #arrivedAt = Number.NEGATIVE_INFINITY
  #since = Number.NEGATIVE_INFINITY
  #disturbed = false

  /** Media begins to flow: pictures have the usual time to come. */
  begins(nowMs: number): void {
    this.#since = nowMs
  }

  /** Call it a few times a second. */
  observe(nowMs: number, counts: PictureCounts): PictureState {
    if (counts.sent > this.#last.sent) this.#cadence.arrived(nowMs)
    if (counts.arrived + counts.leftOut > this.#last.arrived + this.#last.leftOut) this.#arrivedAt = nowMs
    for (let loss = this.#last.leftOut; loss < counts.leftOut; loss++) this.#losses.push(nowMs)
    this.#losses.splice(0, this.#losses.length - DISTURBING_LOSSES)
    this.#last = { ...counts }
    const latest = this.#losses.at(-1) ?? Number.NEGATIVE_INFINITY
    if (nowMs - latest >= UNDISTURBED_AFTER_MS) this.#disturbed = false
    else if (this.#losses.length === DISTURBING_LOSSES && nowMs - this.#losses[0]! <= DISTURBED_WITHIN_MS)
      this.#disturbed = true
    const silentMs = Math.min(this.#cadence.silentMs(nowMs), nowMs - this.#since)
    if (counts.announced && silentMs >= this.#cadence.patienceMs(MISSED_AFTER_MS))
      return nowMs - this.#arrivedAt < MISSED_AFTER_MS ? 'waiting' : 'none'
    return this.#disturbed ? 'damaged' : 'whole'
  }
}
