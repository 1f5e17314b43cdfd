import { ptsDifference } from '../../../common/pts.ts'
import type { SequenceParameterSet } from './sequence-parameter-set.ts'

export type ReorderVerdict = 'unknown' | 'in-order' | 'reordered'

const second = 90_000
/** How long a stream is observed whose SPS says nothing about reordering, in media time. */
const silentProbation = 0.5 * second
/** How long a stream is observed whose SPS allows reordering: some encoders allow it and never do it. */
const suspectProbation = second
const minPictures = 4
/** A reordered stream that keeps its order for this long has been corrected. */
const cleanAfter = 2 * second
/** This many steps back within {@link backWindow} pictures are no timestamp reset. */
const backSteps = 3
const backWindow = 64

/**
 * Finds out whether pictures leave the encoder in another order than they are shown, that is, whether there are
 * B-frames. WebRTC has no decoding time stamps: browsers stall on such a stream.
 */
export class ReorderProbe {
  #verdict: ReorderVerdict = 'unknown'
  #sps: SequenceParameterSet | null = null
  #lastPts = -1
  #observed = 0
  #pictures = 0
  #clean = 0
  #backSteps = 0
  #sinceBackStep = 0

  get verdict(): ReorderVerdict {
    return this.#verdict
  }

  /** Another SPS: what was learned of the old SPS is void. */
  configure(sps: SequenceParameterSet): void {
    this.#sps = sps
    this.#verdict = 'unknown'
    this.#observed = 0
    this.#pictures = 0
    this.#backSteps = 0
    if (declaresOrder(sps) || sps.profileIdc === 66) this.#verdict = 'in-order'
  }

  /** The sender started again: a bad verdict needs new evidence, a good verdict on the same SPS stays. */
  restart(): void {
    this.#lastPts = -1
    this.#backSteps = 0
    if (this.#verdict === 'reordered' && this.#sps) this.configure(this.#sps)
  }

  /** One picture in the order of arrival. */
  picture(pts: number, hasB: boolean): void {
    const sps = this.#sps
    if (!sps) return
    const step = this.#lastPts < 0 ? 0 : ptsDifference(pts, this.#lastPts)
    this.#lastPts = pts
    const advance = Math.min(Math.max(step, 0), second / 2)
    this.#observed += advance
    this.#clean += advance
    this.#pictures += 1
    this.#sinceBackStep += 1
    if (this.#sinceBackStep > backWindow) this.#backSteps = 0
    if (step < 0 && step > -second) {
      this.#backSteps += 1
      this.#sinceBackStep = 0
    }
    if ((hasB && !declaresOrder(sps)) || this.#backSteps >= backSteps) {
      this.#verdict = 'reordered'
      this.#clean = 0
    } else if (this.#verdict === 'reordered') {
      if (this.#clean >= cleanAfter) this.#verdict = 'in-order'
    } else if (this.#verdict === 'unknown') {
      const probation = sps.maxReorderFrames === null ? silentProbation : suspectProbation
      if (this.#observed >= probation && this.#pictures >= minPictures) this.#verdict = 'in-order'
    }
  }
}

/** Whether the SPS says that output order is decoding order: section 8.2.1.3, or E.2.1 max_num_reorder_frames. */
function declaresOrder(sps: SequenceParameterSet): boolean {
  return sps.maxReorderFrames === 0 || sps.pocType === 2
}
