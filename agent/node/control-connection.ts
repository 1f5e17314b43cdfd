import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'

/** Longest wait for the WebSocket to open, and for an answer, ms. */
const ANSWER_WITHIN_MS = 5_000

/** protoo's three kinds of message, as the hub sends them. */
const messageSchema = z.union([
  z.object({ notification: z.literal(true), method: z.string(), data: z.unknown() }),
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

/** One protoo WebSocket to the hub: requests with answers one way, notifications the other. */
export class ControlConnection implements Disposable {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, Waiting>()
  readonly #closed = Promise.withResolvers<void>()
  #lastId = 0

  private constructor(socket: WebSocket, notified: (method: string, data: unknown) => void) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const message = messageSchema.safeParse(parseJson(data)).data
      if (message === undefined) return
      if ('notification' in message) return notified(message.method, message.data)
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.ok) waiting?.resolve(message.data)
      else
        waiting?.reject(new CodedError('control_refused', message.errorReason, { status: message.errorCode }))
    })
    socket.addEventListener('close', () => {
      for (const { reject } of this.#waiting.values()) reject(lost())
      this.#waiting.clear()
      this.#closed.resolve()
    })
  }

  /** @throws CodedError `control_lost` when there is no protoo at that address, or when `signal` aborts */
  static async open(
    url: string,
    notified: (method: string, data: unknown) => void,
    signal: AbortSignal,
  ): Promise<ControlConnection> {
    const socket = new WebSocket(url, 'protoo')
    const connection = new ControlConnection(socket, notified)
    const open = new Promise<boolean>((resolve) => socket.addEventListener('open', () => resolve(true)))
    const gaveUp = aborted(AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]))
    // The event `error` says no more than the `close` after it.
    if (await Promise.race([open, connection.closed.then(() => false), gaveUp])) return connection
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
      this.#socket.send(JSON.stringify({ request: true, id, method, data }))
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** Sends a notification. Where the connection is over, it is lost. */
  notify(method: string, data: object): void {
    if (this.#socket.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify({ notification: true, method, data }))
  }

  [Symbol.dispose](): void {
    this.#socket.close()
    // A peer that is gone never answers the closing handshake.
    this.#closed.resolve()
    for (const { reject } of this.#waiting.values()) reject(lost())
  }
}

function lost(): CodedError {
  return new CodedError('control_lost', 'the control connection is lost')
}

function aborted(signal: AbortSignal): Promise<false> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(false)
    signal.addEventListener('abort', () => resolve(false), { once: true })
  })
}

function parseJson(data: unknown): unknown {
  try {
    return typeof data === 'string' ? JSON.parse(data) : undefined
  } catch {
    return undefined
  }
}
