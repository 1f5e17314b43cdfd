import { CodedError } from '../../common/errors.ts'

/**
 * Hands out ports of a configured range, lowest first, and takes them back. It knows only the ports that it handed out:
 * the range should be outside the system's ephemeral ports.
 */
export class PortRange {
  readonly #first: number
  readonly #last: number
  readonly #name: string
  readonly #isFree: (port: number) => boolean
  readonly #taken = new Set<number>()

  /** `first` and `last` belong to the range. `name` is the setting to widen when the range runs out. */
  constructor(first: number, last: number, name: string, isFree: (port: number) => boolean = () => true) {
    this.#first = first
    this.#last = last
    this.#name = name
    this.#isFree = isFree
  }

  /**
   * `count` ports that no other program has.
   * @param spare ports that must be left for others
   * @throws CodedError `ports_exhausted` (503) when fewer are left; then none is taken.
   */
  take(count: number, spare = 0): number[] {
    if (this.size - this.#taken.size < count + spare) throw this.#exhausted(count, 0)
    const ports: number[] = []
    let foreign = 0
    for (let port = this.#first; port <= this.#last && ports.length < count; port += 1)
      if (this.#taken.has(port)) continue
      else if (this.#isFree(port)) ports.push(port)
      else foreign += 1
    if (ports.length < count) throw this.#exhausted(count, foreign)
    for (const port of ports) this.#taken.add(port)
    return ports
  }

  /** Number of its ports, taken or not. */
  get size(): number {
    return this.#last - this.#first + 1
  }

  /** Reserves these very ports, as far as they belong to the range, so that nobody else gets them. */
  claim(ports: readonly number[]): void {
    for (const port of ports) if (port >= this.#first && port <= this.#last) this.#taken.add(port)
  }

  give(ports: readonly number[]): void {
    for (const port of ports) this.#taken.delete(port)
  }

  #exhausted(count: number, foreign: number): CodedError {
    return new CodedError('ports_exhausted', `${this.#name} ${this.#first}-${this.#last} has no port left`, {
      details: [
        `${count} needed; widen ${this.#name} or close streams`,
        ...(foreign > 0 ? [`other programs have ${foreign} of its ports (ss -lunp shows which)`] : []),
      ],
    })
  }
}
