import type { DirectionCounters } from './impaired-link.ts'
import { Impairer, type Impairment, seededRandom, UNIMPAIRED } from './impairment.ts'

interface Due {
  readonly at: number
  readonly deliver: () => void
}

/** Node's timers end up to a millisecond late. Packets that are due within half a millisecond go with the batch. */
const SLACK_MS = 0.5
const BATCH_MS = 1
/** Packets on their way, delivered in batches when their time has come. */
class Flight {
  /** Ordered by time; packets come almost in order, so insertion is at the end or near it. */
  readonly #queue: Due[] = []
  #timer: NodeJS.Timeout | undefined

  add(at: number, deliver: () => void): void {
    if (at <= performance.now() + SLACK_MS && this.#queue.length === 0) {
      deliver()
      return
    }
    let index = this.#queue.length
    while (index > 0 && this.#queue[index - 1]!.at > at) index--
    this.#queue.splice(index, 0, { at, deliver })
    this.#timer ??= setTimeout(this.#turn, BATCH_MS)
  }

  readonly #turn = (): void => {
    const until = performance.now() + SLACK_MS
    let count = 0
    while (count < this.#queue.length && this.#queue[count]!.at <= until) count++
    for (const due of this.#queue.splice(0, count)) due.deliver()
    this.#timer = this.#queue.length > 0 ? setTimeout(this.#turn, BATCH_MS) : undefined
  }
}

/** One direction of a link. */
export interface Direction {
  readonly impairer: Impairer
  readonly flight: Flight
  readonly counters: { -readonly [Count in keyof DirectionCounters]: DirectionCounters[Count] }
}

export function openDirection(impairment: Partial<Impairment>, seed: number): Direction {
  return {
    impairer: new Impairer({ ...UNIMPAIRED, ...impairment }, seededRandom(seed)),
    flight: new Flight(),
    counters: { received: 0, delivered: 0, dropped: 0, bytes: 0 },
  }
}

/** Sends a packet on its way: `send` is called when it arrives, once, twice or never. */
export function pass(direction: Direction, packet: Buffer, send: (packet: Buffer) => void): void {
  const times = direction.impairer.judge(packet.length, performance.now())
  direction.counters.received++
  direction.counters.bytes += packet.length
  if (times.length === 0) direction.counters.dropped++
  for (const at of times) {
    direction.flight.add(at, () => {
      direction.counters.delivered++
      send(packet)
    })
  }
}
