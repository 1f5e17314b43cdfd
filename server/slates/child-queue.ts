import { availableParallelism } from 'node:os'
import type { FfmpegOutcome } from './ffmpeg.ts'

type Failed = Extract<FfmpegOutcome, { failed: string }>

const FULL = { failed: 'late', why: 'too many pictures are to be made' } as const

/** Half of the cores, because media goes first. */
export const HALF_OF_THE_CORES = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)))

/** Lets few children of ffmpeg run at a time. The others wait for their turn, in order. */
export class ChildQueue {
  readonly #maxRunning: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(maxRunning: number, maxWaiting: number) {
    this.#maxRunning = maxRunning
    this.#maxWaiting = maxWaiting
  }

  /** Work beyond what may wait fails at once. */
  async run<T>(work: () => Promise<T | Failed>): Promise<T | Failed> {
    if (this.#waiting.length >= this.#maxWaiting) return FULL
    if (this.#running >= this.#maxRunning) await new Promise<void>((resolve) => this.#waiting.push(resolve))
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
