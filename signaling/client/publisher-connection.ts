import { Peer, WebSocketTransport } from 'protoo-client'
import {
  type HubToPublisher,
  hubToPublisher,
  type PublisherReport,
  type PublisherRequests,
} from '../../common/wire/publisher-protocol.ts'
import type { Closing } from './hub-connection.ts'

/** Longest wait for an answer of the hub, in ms: past it the connection counts as dead. */
const ANSWER_TIMEOUT_MS = 5_000

const CONTRACT_ENDED = {
  expired: 'the time granted for publishing was over',
  revoked: 'the server ended this publication',
} as const

/** What the owner of a connection does with what the hub says; every value has passed its schema. */
export type PublisherHandlers = {
  readonly [Method in Exclude<keyof HubToPublisher, 'contract-ended'>]: (data: HubToPublisher[Method]) => void
}

/** The hub refused a request; `code` is its own, e.g. `stream_taken`. */
export class RequestRefusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** A publisher's WebSocket to the hub, from the handshake to its end; its owner makes a new one. */
export class PublisherConnection {
  readonly #peer: Peer
  readonly #closed = Promise.withResolvers<Closing>()
  readonly #welcomeTimer: ReturnType<typeof setTimeout>
  #opened = false

  constructor(url: string, handlers: PublisherHandlers) {
    // protoo would reconnect by itself, but without `publish`: one attempt only, the rest is the owner's.
    this.#peer = new Peer(new WebSocketTransport(url, { retry: { retries: 0 } }))
    const over = (reason: string) => this.close(reason, this.#opened ? 'lost' : 'never-opened')
    this.#welcomeTimer = setTimeout(() => over('the server did not answer'), ANSWER_TIMEOUT_MS)
    this.#peer.on('open', () => {
      this.#opened = true
    })
    this.#peer.on('failed', () => over('the server could not be reached'))
    this.#peer.on('disconnected', () => over('the connection to the server was lost'))
    this.#peer.on('close', () => over('the server closed the connection'))
    this.#peer.on('request', (_request, _accept, reject) => reject(404, 'publishers answer no requests'))
    this.#peer.on('notification', ({ method, data }) => this.#receive(method, data, handlers))
  }

  /** Resolves when the connection is over, with the reason. Never rejects. */
  get closed(): Promise<Closing> {
    return this.#closed.promise
  }

  /**
   * Sends a request and waits at most 5 s for its answer.
   * @throws RequestRefusal, or an Error when the connection ends before it is answered
   */
  async request<Method extends keyof PublisherRequests>(
    method: Method,
    data: PublisherRequests[Method],
  ): Promise<unknown> {
    const timer = setTimeout(() => this.close('the server stopped answering', 'lost'), ANSWER_TIMEOUT_MS)
    try {
      return await this.#peer.request(method, data)
    } catch (error) {
      throw refusalOf(error) ?? error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a report; one that can't be sent is of no use later and is dropped. */
  report(report: PublisherReport): void {
    this.#peer.notify('report', report).catch(() => {})
  }

  /** Ends the connection; the first reason given stands. */
  close(reason: string, cause: Closing['cause'] = 'closed-here'): void {
    clearTimeout(this.#welcomeTimer)
    this.#closed.resolve({ cause, reason })
    this.#peer.close()
  }

  #receive(method: string, data: unknown, handlers: PublisherHandlers): void {
    // A newer hub may say more than this publisher understands.
    if (!Object.hasOwn(hubToPublisher, method)) return
    try {
      if (method === 'contract-ended') {
        const { reason } = hubToPublisher['contract-ended'].parse(data)
        this.close(CONTRACT_ENDED[reason], reason)
        return
      }
      if (method === 'welcome') clearTimeout(this.#welcomeTimer)
      handle(method as keyof PublisherHandlers, data, handlers)
    } catch {
      this.close(`the server sent a "${method}" that can't be understood`, 'lost')
    }
  }
}

function handle<Method extends keyof PublisherHandlers>(
  method: Method,
  data: unknown,
  handlers: PublisherHandlers,
): void {
  const parsed = hubToPublisher[method].parse(data) as HubToPublisher[Method]
  handlers[method](parsed)
}

/** protoo's refusals carry a status, and `code: message` as their reason. */
function refusalOf(error: unknown): RequestRefusal | null {
  if (!(error instanceof Error)) return null
  const [, code, message] = /^([a-z_]+): (.*)$/s.exec(error.message) ?? []
  if (code === undefined || message === undefined) return null
  const status = 'code' in error && typeof error.code === 'number' ? error.code : 500
  return new RequestRefusal(status, code, message)
}
