import type { WebSocket } from 'ws'
import { CodedError, messageOf } from '../../common/errors.ts'
import {
  DetourMessageWriter,
  detourAnswerSchema,
  MAX_DETOUR_LINKS,
  readDetourMessage,
} from '../../common/wire/detour-frames.ts'
import { openHubSocket } from '../node/hub-socket.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import type { Carrier, CarrierListener, CarrierOptions } from './carrier.ts'
import { DatagramQueue } from './datagram-queue.ts'
import { MessageLag } from './message-lag.ts'

/** Longest wait for the WebSocket to open and for the hub to take the ticket, ms. */
const OPEN_WITHIN_MS = 5000
/** A hub that owes an answer for this long is gone, ms. */
const GONE_AFTER_MS = 4000
const LOOK_EVERY_MS = 1000
/** Most bytes in the WebSocket's own memory. What is more waits in the queue, where it can be dropped. */
const MAX_BUFFERED_BYTES = 256 * 1024

/** Carries datagrams in messages of a WebSocket to the hub. */
export class WssCarrier implements Carrier {
  readonly via = 'wss'
  readonly #socket: WebSocket
  readonly #listener: CarrierListener
  readonly #queue: DatagramQueue
  readonly #lag: MessageLag
  readonly #writer = new DetourMessageWriter()
  readonly #watch: NodeJS.Timeout
  #flushing = false
  #closed = false

  /**
   * @param url of the WebSocket
   * @param identity the node's, for the connection below
   * @throws CodedError `detour_lost` where there is none, or the code with which the hub refuses
   */
  static async open(
    url: URL,
    identity: TlsIdentity | undefined,
    { ticket, queueMs, listener, signal }: CarrierOptions,
  ): Promise<WssCarrier> {
    const gaveUp = AbortSignal.any([signal, AbortSignal.timeout(OPEN_WITHIN_MS)])
    const socket = await openHubSocket(url, identity, gaveUp).catch((cause) => {
      throw lost(cause)
    })
    const opened = Promise.withResolvers<void>()
    socket.on('open', () => socket.send(JSON.stringify({ ticket })))
    socket.on('close', () => opened.reject(lost()))
    // The event `close` follows.
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => {
      const answer = isBinary ? undefined : detourAnswerSchema.safeParse(parseJson(data)).data
      if (answer?.type === 'opened') opened.resolve()
      else if (answer?.type === 'refused')
        opened.reject(new CodedError('detour_refused', `${answer.code}: ${answer.message}`))
    })
    gaveUp.addEventListener('abort', () => opened.reject(lost()), { once: true })
    try {
      await opened.promise
    } catch (error) {
      socket.close()
      throw error
    }
    return new WssCarrier(socket, queueMs, listener)
  }

  private constructor(socket: WebSocket, queueMs: number, listener: CarrierListener) {
    this.#socket = socket
    this.#listener = listener
    // Half of the time may pass here, the other half on the way.
    this.#queue = new DatagramQueue(queueMs / 2)
    this.#lag = new MessageLag(queueMs / 2)
    socket.on('message', (data, isBinary) => this.#heard(data, isBinary))
    socket.on('close', () => this.#over('the connection is lost'))
    this.#watch = setInterval(() => this.#look(), LOOK_EVERY_MS)
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  send(link: number, datagram: Uint8Array): void {
    if (this.#closed) return
    this.#queue.push(link, datagram, performance.now())
    if (this.#flushing) return
    this.#flushing = true
    // All datagrams of a picture leave in few messages.
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#watch)
    this.#socket.close()
  }

  #flush(): void {
    if (this.#closed) return
    const now = performance.now()
    while (!this.#lag.congested(now) && this.#socket.bufferedAmount < MAX_BUFFERED_BYTES) {
      for (let next = this.#queue.peek(now); next; next = this.#queue.peek(now)) {
        if (!this.#writer.add(next.link, next.datagram)) {
          if (!this.#writer.empty) break
          // Longer than any datagram of RIST.
        }
        this.#queue.take()
      }
      if (this.#writer.empty) return
      this.#socket.send(this.#writer.take(now))
      this.#lag.sent(now)
    }
  }

  #heard(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return
    if (!isBinary) {
      const answer = detourAnswerSchema.safeParse(parseJson(data)).data
      if (answer?.type === 'refused') this.#over(`${answer.code}: ${answer.message}`)
      return
    }
    const message = readDetourMessage(data, MAX_DETOUR_LINKS)
    if (!message) return
    this.#lag.answered(message.clock, performance.now())
    for (const { link, datagram } of message.entries) this.#listener.heard(link, datagram)
    this.#flush()
  }

  #look(): void {
    const { owedSince } = this.#lag
    if (owedSince !== null && performance.now() - owedSince > GONE_AFTER_MS)
      this.#over('the hub does not answer')
  }

  #over(why: string): void {
    if (this.#closed) return
    this[Symbol.dispose]()
    this.#listener.lost(why)
  }
}

function lost(cause?: unknown): CodedError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`
  return new CodedError('detour_lost', `the hub takes no detour here${why}`, { cause })
}

function parseJson(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch {
    return undefined
  }
}
