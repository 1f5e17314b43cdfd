import type { types } from 'mediasoup'
import type { ConsumerCensus } from './consumer-census.ts'

const IDLE_MS = 5000
/** All streams between two routers share one socket each way, and pictures arrive at once. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024

/** Where a stream's media enters the SFU: a router and the producers on it. */
export interface OutletSource {
  readonly router: types.Router
  readonly producers: readonly types.Producer[]
}

interface Outlet {
  /** The producers that are piped. */
  readonly of: readonly types.Producer[]
  readonly pipes: Promise<readonly types.Producer[]>
  /** Whether it was asked for since the last look. */
  asked: boolean
  readonly look: NodeJS.Timeout
}

/**
 * A stream's producers on routers other than its own: of the same worker or another. Each router gets one pipe
 * however many ask for it at once; the pipe closes with its source, with its router, and when nobody consumes
 * from it any more.
 */
export class Outlets implements Disposable {
  readonly #outlets = new Map<types.Router, Outlet>()
  readonly #census: Pick<ConsumerCensus, 'consumersOf'>
  readonly #idleMs: number

  /** A pipe that nobody consumes from is closed after between one and two `idleMs`. */
  constructor(census: Pick<ConsumerCensus, 'consumersOf'>, idleMs: number = IDLE_MS) {
    this.#census = census
    this.#idleMs = idleMs
  }

  /** Routers that the stream is piped to now. */
  get size(): number {
    return this.#outlets.size
  }

  /**
   * The producers on `router`, in the order of the source's.
   * @throws when the source or the router closes meanwhile
   */
  async on(router: types.Router, source: OutletSource): Promise<readonly types.Producer[]> {
    const known = this.#outlets.get(router)
    if (known?.of === source.producers) {
      known.asked = true
      const pipes = await known.pipes
      if (pipes.every(({ closed }) => !closed)) return pipes
    }
    // Whoever came first after a pipe was closed has begun another.
    const begun = this.#outlets.get(router)
    if (begun && begun !== known) return this.on(router, source)
    if (known) this.#close(router, known)
    return this.#open(router, source).pipes
  }

  [Symbol.dispose](): void {
    for (const [router, outlet] of this.#outlets) this.#close(router, outlet)
  }

  #open(router: types.Router, source: OutletSource): Outlet {
    const outlet: Outlet = {
      of: source.producers,
      pipes: pipeAll(router, source),
      asked: true,
      look: setInterval(() => void this.#closeUnused(router, outlet), this.#idleMs).unref(),
    }
    this.#outlets.set(router, outlet)
    outlet.pipes.catch(() => this.#close(router, outlet))
    return outlet
  }

  async #closeUnused(router: types.Router, outlet: Outlet): Promise<void> {
    const pipes = await outlet.pipes.catch(() => [])
    const consumed = pipes.some(({ id }) => this.#census.consumersOf(id) > 0)
    if (!consumed && !outlet.asked) this.#close(router, outlet)
    outlet.asked = false
  }

  #close(router: types.Router, outlet: Outlet): void {
    clearInterval(outlet.look)
    if (this.#outlets.get(router) === outlet) this.#outlets.delete(router)
    outlet.pipes.then(closeAll, () => {})
  }
}

/** All or none: what was piped before one failed is closed again. */
async function pipeAll(
  router: types.Router,
  { router: from, producers }: OutletSource,
): Promise<readonly types.Producer[]> {
  const piped = await Promise.allSettled(producers.map((producer) => pipe(producer, from, router)))
  const failed = piped.find((result) => result.status === 'rejected')
  const pipes = piped.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  if (!failed) return pipes
  closeAll(pipes)
  throw failed.reason
}

async function pipe(producer: types.Producer, from: types.Router, to: types.Router): Promise<types.Producer> {
  const { pipeProducer } = await from.pipeToRouter({
    producerId: producer.id,
    router: to,
    // A producer's id is unique in its worker, and several routers may be on one.
    keepId: false,
    enableSctp: false,
    listenInfo: {
      protocol: 'udp',
      ip: '127.0.0.1',
      recvBufferSize: SOCKET_BUFFER_BYTES,
      sendBufferSize: SOCKET_BUFFER_BYTES,
    },
  })
  return pipeProducer!
}

function closeAll(producers: readonly types.Producer[]): void {
  for (const producer of producers) producer.close()
}
