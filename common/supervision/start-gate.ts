import { availableParallelism } from 'node:os'

/** Starts at a time for each core. Fewer would get too little of a busy machine; with more, each would take seconds. */
const FEW_PER_CORE = 4

interface Waiting {
  readonly enter: () => void
}

/**
 * Lets a few processes start at a time: many at once take each other's CPU, and all are late. A process that was
 * carrying something goes first and has places of its own, so that first starts can't hold it up.
 */
export class StartGate {
  readonly #few: number
  readonly #urgent: Waiting[] = []
  readonly #others: Waiting[] = []
  #inside = 0

  /** @param few number of first starts at a time; with urgent starts twice as many */
  constructor(few = FEW_PER_CORE * availableParallelism()) {
    this.#few = few
  }

  /** A place to start. Dispose of it once the process runs or has ended. @throws the signal's reason when aborted */
  take(urgent: boolean, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
    const queue = urgent ? this.#urgent : this.#others
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        queue.splice(queue.indexOf(waiting), 1)
        reject(signal.reason)
      }
      const waiting: Waiting = {
        enter: () => {
          signal.removeEventListener('abort', onAbort)
          resolve(this.#place())
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      queue.push(waiting)
      this.#letIn()
    })
  }

  #letIn(): void {
    while (this.#inside < 2 * this.#few && this.#urgent.length > 0) this.#urgent.shift()!.enter()
    while (this.#inside < this.#few && this.#others.length > 0) this.#others.shift()!.enter()
  }

  #place(): Disposable {
    this.#inside += 1
    let left = false
    return {
      [Symbol.dispose]: () => {
        if (left) return
        left = true
        this.#inside -= 1
        this.#letIn()
      },
    }
  }
}
