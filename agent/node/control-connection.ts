import type { WebSocket } from 'ws'
import { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import { openHubSocket } from './hub-socket.ts'
import type { TlsIdentity } from './tls-identity.ts'

/** Longest wait for the WebSocket to open, and for an answer, ms. */
const ANSWER_WITHIN_MS = 5_000

/** protoo's kinds of message, as the hub sends them. */
const messageSchema = z.union([
  z.object({ notification: z.literal(true), method: z.string(), data: z.unknown() }),
  z.object({ request: z.literal(true), id: z.number(), method: z.string(), data: z.unknown() }),
  z.object({ response: z.literal(true), id: z.number(), ok: z.literal(true), data: z.unknown() }),
  z.object({
    response: z.literal(true),
    id: z.number(),
    ok: z.literal(false).optional(),
    errorCode: z.number(),
    errorReason: z.string(),
  }),
])

interface Waiting {
  readonly resolve: (data: unknown) => void
  readonly reject: (error: Error) => void
}

export interface ControlConnectionOptions {
  /** The node's certificate, and whom to trust. Left out: what the system trusts. */
  readonly tls?: TlsIdentity | undefined
  readonly notified: (method: string, data: unknown) => void
  /** Anything came from the hub. */
  readonly heard?: () => void
  /** Answers requests of the hub. A CodedError that it throws is the refusal. Left out: there are none. */
  readonly requested?: (method: string, data: unknown) => Promise<object>
  readonly signal: AbortSignal
}

/** One protoo WebSocket to the hub: requests with answers and notifications, both ways. */
export class ControlConnection implements Disposable {
  readonly #socket: WebSocket
  readonly #options: ControlConnectionOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #closed = Promise.withResolvers<void>()
  #lastId = 0

  private constructor(socket: WebSocket, options: ControlConnectionOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('message', (data, isBinary) => {
      options.heard?.()
      this.#heard(isBinary ? undefined : parseJson(data))
    })
    socket.on('pong', () => options.heard?.())
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(lost())
      this.#waiting.clear()
      this.#closed.resolve()
    })
    // The event `close` follows.
    socket.on('error', () => {})
  }

  /**
   * @throws CodedError `control_lost` when there is no protoo at that address, or when `signal` aborts; and the refusals of
   * `connectToHub`
   */
  static async open(url: string, options: ControlConnectionOptions): Promise<ControlConnection> {
    const limit = AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)])
    let socket: WebSocket
    try {
      socket = await openHubSocket(new URL(url), options.tls, limit, 'protoo')
    } catch (error) {
      throw error instanceof CodedError ? error : lost(error)
    }
    const connection = new ControlConnection(socket, options)
    const open = new Promise<boolean>((resolve) => socket.on('open', () => resolve(true)))
    if (await Promise.race([open, connection.closed.then(() => false), aborted(limit)])) return connection
    connection[Symbol.dispose]()
    throw lost()
  }

  /** Resolves when the connection is over. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** @throws CodedError `control_refused` with the hub's reason and status, `control_lost` */
  async request(method: string, data: object): Promise<unknown> {
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, { resolve, reject })
    const timer = setTimeout(() => reject(lost()), ANSWER_WITHIN_MS)
    try {
      this.#send({ request: true, id, method, data })
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** Asks for a sign of life (RFC 6455 section 5.5.2): the hub's end answers by itself. */
  ping(): void {
    if (this.#socket.readyState === 1) this.#socket.ping()
  }

  /** Sends a notification. Where the connection is over, it is lost. */
  notify(method: string, data: object): void {
    this.#send({ notification: true, method, data })
  }

  [Symbol.dispose](): void {
    this.#socket.close()
    // A peer that is gone never answers the closing handshake.
    setTimeout(() => this.#socket.terminate(), ANSWER_WITHIN_MS).unref()
    this.#closed.resolve()
    for (const { reject } of this.#waiting.values()) reject(lost())
  }

  #heard(json: unknown): void {
    const message = messageSchema.safeParse(json).data
    if (message === undefined) return
    if ('notification' in message) return this.#options.notified(message.method, message.data)
    if ('request' in message) return void this.#answer(message)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.ok) waiting?.resolve(message.data)
    else
      waiting?.reject(new CodedError('control_refused', message.errorReason, { status: message.errorCode }))
  }

  async #answer({ id, method, data }: { id: number; method: string; data: unknown }): Promise<void> {
    try {
      if (!this.#options.requested) throw unknownMethod(method)
      this.#send({ response: true, id, ok: true, data: await this.#options.requested(method, data) })
    } catch (error) {
      const { status, code, message } =
        error instanceof CodedError ? error : new CodedError('internal', 'the node failed')
      this.#send({ response: true, id, errorCode: status, errorReason: `${code}: ${message}` })
    }
  }

  #send(message: object): void {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message))
  }
}

/** The refusal of a request that the node does not know. */
export function unknownMethod(method: string): CodedError {
  return new CodedError('unknown_method', `there is no request "${method.slice(0, 40)}"`)
}

function lost(cause?: unknown): CodedError {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`
  return new CodedError('control_lost', `the control connection is lost${why}`, { cause })
}

function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false)
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch {
    return undefined
  }
}
