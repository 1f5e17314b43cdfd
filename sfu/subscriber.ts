import type { types } from 'mediasoup'
import { backoffMs } from '../common/retry.ts'
import type { Stream } from './stream.ts'
import { type Demand, Subscription } from './subscription.ts'

/** Waits before a lost transport is opened again, ms. */
const AGAIN = { initialMs: 50, maxMs: 2_000, factor: 2 }

export interface SubscriberOptions {
  readonly stream: Stream
  /** Makes its transport on this router: plain, pipe or direct, connected. The subscriber closes it. */
  readonly connect: (router: types.Router) => Promise<types.Transport>
  readonly demand: Demand
  /** Gets all present consumers after each change. New consumers are paused until this resolves. */
  readonly consuming: (consumers: readonly types.Consumer[]) => Promise<void> | void
  /** An operation failed. The subscriber tries again. */
  readonly failed: (error: unknown) => void
}

/**
 * A program of the hub's own that takes a stream, for instance a recorder. It does not count as a viewer. When the
 * stream's producers change, the consumers change too. When the stream moves to another worker, so does the transport.
 */
export class Subscriber implements Disposable {
  readonly #options: SubscriberOptions
  readonly #stopObserving: () => void
  #demand: Demand
  /** The present subscription with its transport. */
  #stack = new DisposableStack()
  #subscription: Subscription | null = null
  /** The last `consume`; never rejects. */
  #catching: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #attempt = 0
  #closed = false

  constructor(options: SubscriberOptions) {
    this.#options = options
    this.#demand = options.demand
    this.#stopObserving = options.stream.observe({ producersChanged: () => this.#catchUp() })
    void this.#open()
  }

  /** Changes what the program wants. */
  want(demand: Demand): void {
    this.#demand = demand
    this.#subscription?.want(demand)
  }

  /** Asks the publisher for a keyframe, as a receiver does that lost a packet. */
  async requestKeyframe(): Promise<void> {
    await this.#subscription?.video?.requestKeyFrame()
  }

  [Symbol.dispose](): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#stopObserving()
    this.#drop()
  }

  async #open(): Promise<void> {
    const { stream, connect, failed } = this.#options
    try {
      const slot = stream.home()
      if (!slot) return this.#openAgain()
      const { router } = slot
      using stack = new DisposableStack()
      const transport = stack.adopt(await connect(router), (opened) => opened.close())
      if (this.#closed) return
      const capabilities = router.rtpCapabilities
      const subscription = stack.use(
        new Subscription({
          stream,
          transport,
          router,
          capabilities: () => capabilities,
          demand: this.#demand,
          owner: { failed },
        }),
      )
      transport.observer.once('close', () => {
        if (this.#subscription !== subscription) return
        this.#drop()
        this.#openAgain()
      })
      this.#stack = stack.move()
      this.#subscription = subscription
      this.#catchUp()
    } catch (error) {
      // If the worker died, the subscriber itself has not failed.
      if (!this.#closed && stream.home()?.router.closed === false) failed(error)
      this.#openAgain()
    }
  }

  #openAgain(): void {
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#open(), backoffMs(AGAIN, this.#attempt)).unref()
    this.#attempt += 1
  }

  #drop(): void {
    const stack = this.#stack
    this.#stack = new DisposableStack()
    this.#subscription = null
    stack.dispose()
  }

  #catchUp(): void {
    const subscription = this.#subscription
    if (!subscription) return
    this.#catching = this.#catching
      .then(() => this.#consume(subscription))
      .catch((error) => {
        if (this.#subscription !== subscription) return
        this.#options.failed(error)
        this.#drop()
        this.#openAgain()
      })
  }

  async #consume(subscription: Subscription): Promise<void> {
    do {
      if (this.#subscription !== subscription) return
      const { consumers } = await subscription.consume(true)
      await this.#options.consuming(subscription.consumers)
      for (const { id } of consumers) subscription.resume(id)
    } while (!subscription.complete)
    if (subscription.consumers.length > 0) this.#attempt = 0
  }
}
