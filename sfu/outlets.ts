import type { types } from 'mediasoup'
import type { ConsumerCensus } from './consumer-census.ts'
import { pipeProducer } from './router-pipes.ts'

const IDLE_MS = 5000

/** Where a stream's media enters the SFU: a router and the producers on it. */
export interface OutletSource {
  readonly router: types.Router
  readonly producers: readonly types.Producer[]
}

interface Outlet {
  /** The pipe of each source producer. */
  readonly pipes: Map<types.Producer, Promise<types.Producer>>
  /** Whether this pipe was asked for since the last look. */
  asked: boolean
  readonly look: NodeJS.Timeout
}

/**
 * A stream's producers on routers other than its own, on the same worker or another. Each producer gets one pipe to a
 * router, however many ask for it at once. The pipe closes with its source, with its router, and when nobody consumes
 * from that router's pipes any more.
 */
export class Outlets implements Disposable {
  readonly #outlets = new Map<types.Router, Outlet>()
  readonly #census: Pick<ConsumerCensus, 'consumersOf'>
  readonly #idleMs: number

  /** Pipes without consumers are closed after between one and two `idleMs`. */
  constructor(census: Pick<ConsumerCensus, 'consumersOf'>, idleMs: number = IDLE_MS) {
    this.#census = census
    this.#idleMs = idleMs
  }

  /** Whether the stream is piped to a router. */
  has(router: types.Router): boolean {
    return this.#outlets.has(router)
  }

  /** Number of routers to which the stream is piped now. */
  get size(): number {
    return this.#outlets.size
  }

  /**
   * The producers on `router`, in the order of the source's producers.
   * @throws when a source producer or the router closes meanwhile
   */
  async on(router: types.Router, { router: from, producers }: OutletSource): Promise<types.Producer[]> {
    const outlet = this.#outlets.get(router) ?? this.#open(router)
    outlet.asked = true
    return Promise.all(producers.map((producer) => pipeOnce(outlet.pipes, producer, from, router)))
  }

  [Symbol.dispose](): void {
    for (const [router, outlet] of this.#outlets) this.#close(router, outlet)
  }

  #open(router: types.Router): Outlet {
    const look = setInterval(() => void this.#closeUnused(router, outlet), this.#idleMs).unref()
    const outlet: Outlet = { pipes: new Map(), asked: true, look }
    this.#outlets.set(router, outlet)
    return outlet
  }

  async #closeUnused(router: types.Router, outlet: Outlet): Promise<void> {
    const pipes = await Promise.allSettled(outlet.pipes.values())
    const consumed = pipes.some(
      (pipe) => pipe.status === 'fulfilled' && this.#census.consumersOf(pipe.value.id) > 0,
    )
    if (!consumed && !outlet.asked && this.#outlets.get(router) === outlet) this.#close(router, outlet)
    outlet.asked = false
  }

  #close(router: types.Router, { look, pipes }: Outlet): void {
    clearInterval(look)
    this.#outlets.delete(router)
    for (const pipe of pipes.values())
      pipe.then(
        (producer) => producer.close(),
        () => {},
      )
  }
}

/** Pipes a producer, or joins a piping under way. A pipe that failed or closed is forgotten. */
function pipeOnce(
  pipes: Outlet['pipes'],
  producer: types.Producer,
  from: types.Router,
  to: types.Router,
): Promise<types.Producer> {
  const known = pipes.get(producer)
  if (known) return known
  const forget = () => {
    if (pipes.get(producer) === begun) pipes.delete(producer)
  }
  const begun = pipeProducer(producer, from, to).then((piped) => {
    piped.observer.once('close', forget)
    return piped
  })
  pipes.set(producer, begun)
  begun.catch(forget)
  return begun
}
