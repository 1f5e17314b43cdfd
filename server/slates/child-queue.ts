import { availableParallelism } from 'node:os'
import type { FfmpegOutcome } from './ffmpeg.ts'

type Failed = Extract<FfmpegOutcome, { failed: string }>

/** Children at a time: half of the cores, because media goes first. */
const MAX_RUNNING = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)))
const MAX_WAITING = 200

/** Lets few children of ffmpeg run at a time. The others wait for their turn, in order. */
export class ChildQueue {
  readonly #waiting: (() => void)[] = []
  #running = 0

  /** Work beyond what may wait fails at once. @param work never rejects */
  async run<T>(work: () => Promise<T | Failed>): Promise<T | Failed> {
    if (this.#waiting.length >= MAX_WAITING)
      return { failed: 'failed', why: 'too many slates are to be made' }
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running -= 1
    }
  }
}
