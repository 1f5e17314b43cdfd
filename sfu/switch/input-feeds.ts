import { CodedError } from '../../common/errors.ts'
import type { HubToSwitch } from '../../common/wire/switch-ipc.ts'
import { MAX_INPUTS } from '../../common/wire/switched-inputs.ts'
import type { Stream } from '../stream.ts'
import { InputFeed, type InputFeedListener } from './input-feed.ts'

export interface InputSpec {
  /** Stream id of the input, in the same tenant. The stream need not exist yet. */
  readonly id: string
}

export interface InputFeedsOptions {
  /** The switched stream, which is no input of itself. */
  readonly streamId: string
  readonly find: (streamId: string) => Stream | undefined
  /** A loopback port for RTP. @throws CodedError `ports_exhausted` (503) */
  readonly takePort: () => number
  readonly givePort: (port: number) => void
  readonly listener: InputFeedListener
}

/** The inputs of a switched stream in their order. Each has a loopback port of its own. */
export class InputFeeds implements Disposable {
  readonly #options: InputFeedsOptions
  #feeds: readonly InputFeed[] = []

  constructor(options: InputFeedsOptions) {
    this.#options = options
  }

  get all(): readonly InputFeed[] {
    return this.#feeds
  }

  get(id: string): InputFeed | undefined {
    return this.#feeds.find((feed) => feed.id === id)
  }

  /** @throws CodedError `input_not_found` (404) */
  known(id: string): InputFeed {
    const feed = this.get(id)
    if (!feed) throw new CodedError('input_not_found', `${this.#options.streamId} has no input ${id}`)
    return feed
  }

  /** The first that has pictures. */
  get first(): InputFeed | undefined {
    return this.#feeds.find(({ renditions }) => renditions > 0)
  }

  /**
   * Takes these inputs from now on. Those that were inputs before stay as they are.
   * @param told called once the new order stands, before anything is connected
   * @throws CodedError `bad_request` (400) for too many, twice the same, or the stream itself; `ports_exhausted` (503)
   */
  set(inputs: readonly InputSpec[], told: () => void): void {
    refuseInputs(this.#options.streamId, inputs)
    const ids = inputs.map(({ id }) => id)
    const { find, listener } = this.#options
    const before = this.#feeds
    const ports = this.#takePorts(ids.filter((id) => !this.get(id)).length)
    this.#feeds = ids.map((id) => this.get(id) ?? new InputFeed(id, ports.pop()!, listener))
    told()
    for (const feed of this.#feeds) feed.connect(find(feed.id) ?? null)
    for (const feed of before) if (!this.#feeds.includes(feed)) this.#close(feed)
  }

  /**
   * Another program has an input's port: takes another port for it. Does nothing where there is no such input any more.
   * Where no port is left, the input stays silent, and the listener hears why.
   * @param told called once the new port stands, before anything is connected
   */
  move(id: string, told: () => void): void {
    const before = this.get(id)
    if (!before) return
    const { find, listener } = this.#options
    let port: number
    try {
      port = this.#options.takePort()
    } catch (error) {
      return listener.failed(error)
    }
    const feed = new InputFeed(id, port, listener)
    this.#feeds = this.#feeds.map((each) => (each === before ? feed : each))
    told()
    feed.connect(find(id) ?? null)
    this.#close(before)
  }

  /** A stream of the tenant was opened or closed. */
  streamChanged(id: string): void {
    this.get(id)?.connect(this.#options.find(id) ?? null)
  }

  /** What a switch process must know of the inputs, in order. */
  get messages(): HubToSwitch[] {
    const inputs = this.#feeds.map(({ id, port }) => ({ id, rtp_port: port }))
    return [{ type: 'inputs', inputs }, ...this.#feeds.map(({ feed }) => feed)]
  }

  /** Ends the subscriptions. The ports are in use until the process has ended. */
  disconnect(): void {
    for (const feed of this.#feeds) feed[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    for (const feed of this.#feeds) this.#close(feed)
    this.#feeds = []
  }

  #takePorts(count: number): number[] {
    const ports: number[] = []
    try {
      while (ports.length < count) ports.push(this.#options.takePort())
      return ports
    } catch (error) {
      for (const port of ports) this.#options.givePort(port)
      throw error
    }
  }

  #close(feed: InputFeed): void {
    feed[Symbol.dispose]()
    this.#options.givePort(feed.port)
  }
}

/** @throws CodedError `bad_request` (400) for too many, twice the same, or the stream itself */
export function refuseInputs(streamId: string, inputs: readonly InputSpec[]): void {
  const ids = inputs.map(({ id }) => id)
  if (ids.length > MAX_INPUTS)
    throw new CodedError('bad_request', `a stream has at most ${MAX_INPUTS} inputs`)
  if (new Set(ids).size < ids.length) throw new CodedError('bad_request', 'an input is named twice')
  if (ids.includes(streamId)) throw new CodedError('bad_request', 'a stream is no input of itself')
}
