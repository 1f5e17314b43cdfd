import { readFile, stat } from 'node:fs/promises'

/** Descriptors reserved from clients' connections: for workers, ingress processes, the database, files. */
const RESERVE = { share: 0.1, least: 32, most: 1024 } as const
/** How often to look, ms. */
const LOOK_EVERY_MS = 1000

export interface DescriptorCount {
  readonly open: number
  /** The soft limit; Infinity without a limit. */
  readonly limit: number
}

export function reserveOf(limit: number): number {
  return Math.min(RESERVE.most, Math.max(RESERVE.least, Math.ceil(limit * RESERVE.share)))
}

/** Whether connections will soon be refused for lack of descriptors: no more than the reserve is left until then. */
export function runLow({ open, limit }: DescriptorCount): boolean {
  return open + 2 * reserveOf(limit) >= limit
}

/**
 * How many file descriptors the hub has open, and its limit (RLIMIT_NOFILE), as of the last second. Sockets, the pipes
 * of media workers and ingress processes, and the database all take descriptors. Without a free one the hub answers
 * nobody.
 */
export class Descriptors implements Disposable {
  readonly #timer: NodeJS.Timeout
  readonly #look: () => Promise<DescriptorCount>
  #count: DescriptorCount = { open: 0, limit: Number.POSITIVE_INFINITY }
  #looking = false

  private constructor(look: () => Promise<DescriptorCount>) {
    this.#look = look
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref()
  }

  /** @param look counts them; by default from Linux's view of this process; elsewhere no limit is known */
  static async open(look: () => Promise<DescriptorCount> = countOfThisProcess): Promise<Descriptors> {
    const descriptors = new Descriptors(look)
    await descriptors.look()
    return descriptors
  }

  get count(): DescriptorCount {
    return this.#count
  }

  /** Counts now. If that fails, the last count stays. */
  async look(): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      this.#count = await this.#look()
    } catch {
      // No /proc here, or no descriptor left to read it with: the last count still tells the state.
    } finally {
      this.#looking = false
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

async function countOfThisProcess(): Promise<DescriptorCount> {
  const [folder, limits] = await Promise.all([stat('/proc/self/fd'), readFile('/proc/self/limits', 'utf8')])
  const limit = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
  // Linux before 6.2 does not tell the count this way: 0 is never too many.
  return { open: folder.size, limit }
}
