import type { types } from 'mediasoup'

/**
 * Numbers of consumers and transports by worker and by producer, on all routers and transports: what a worker forwards,
 * and whether anybody watches. Counted as they come and go, without asking the workers.
 */
export class ConsumerCensus {
  readonly #ofProducer = new Map<string, number>()
  readonly #onWorker = new WeakMap<types.Worker, number>()
  readonly #transports = new WeakMap<types.Worker, number>()

  /**
   * Counts on this worker from now on, until the worker closes.
   * @param onMade called when the worker has just made something on request
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

  /** Number of consumers of one producer, pipes to other routers included. */
  consumersOf(producerId: string): number {
    return this.#ofProducer.get(producerId) ?? 0
  }

  /** Number of consumers of a worker, pipes to other routers included. */
  consumersOn(worker: types.Worker): number {
    return this.#onWorker.get(worker) ?? 0
  }

  /** Number of transports of a worker: viewers', publishers', lanes' and pipes'. */
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
