import type { types } from 'mediasoup'

/**
 * How many consumers and transports there are, by worker and by producer, on whatever routers and transports: what a worker
 * forwards, and whether anybody watches. Counted as they come and go; nothing is asked of the workers.
 */
export class ConsumerCensus {
  readonly #ofProducer = new Map<string, number>()
  readonly #onWorker = new WeakMap<types.Worker, number>()
  readonly #transports = new WeakMap<types.Worker, number>()

  /**
   * Counts on this worker from now on, until it closes.
   * @param onMade the worker has just made something it was asked for
   */
  watch(worker: types.Worker, onMade: () => void = () => {}): void {
    worker.observer.on('newrouter', ({ observer }) =>
      observer.on('newtransport', ({ observer }) => {
        onMade()
        this.#countTransport(worker, 1)
        observer.once('close', () => this.#countTransport(worker, -1))
        observer.on('newconsumer', (consumer) => {
          onMade()
          this.#add(worker, consumer)
        })
      }),
    )
  }

  /** Consumers of one producer, pipes to other routers among them. */
  consumersOf(producerId: string): number {
    return this.#ofProducer.get(producerId) ?? 0
  }

  /** All consumers of a worker, pipes to other routers among them. */
  consumersOn(worker: types.Worker): number {
    return this.#onWorker.get(worker) ?? 0
  }

  /** All transports of a worker: viewers', publishers', lanes' and pipes'. */
  transportsOn(worker: types.Worker): number {
    return this.#transports.get(worker) ?? 0
  }

  #countTransport(worker: types.Worker, by: number): void {
    this.#transports.set(worker, this.transportsOn(worker) + by)
  }

  #add(worker: types.Worker, { producerId, observer }: types.Consumer): void {
    this.#onWorker.set(worker, this.consumersOn(worker) + 1)
    this.#ofProducer.set(producerId, this.consumersOf(producerId) + 1)
    observer.once('close', () => {
      this.#onWorker.set(worker, this.consumersOn(worker) - 1)
      const left = this.consumersOf(producerId) - 1
      if (left > 0) this.#ofProducer.set(producerId, left)
      else this.#ofProducer.delete(producerId)
    })
  }
}
