import {
  type HubToPublisher,
  hubToPublisher,
  type PublisherReport,
  type PublisherRequests,
} from '../../common/wire/publisher-protocol.ts'
import { type Closing, HubSocket } from './hub-socket.ts'

const CONTRACT_ENDED = {
  expired: 'the time granted for publishing was over',
  revoked: 'the server ended this publication',
} as const

/** What the owner of a connection does with the hub's messages. Every value has passed its schema. */
export type PublisherHandlers = {
  readonly [Method in Exclude<keyof HubToPublisher, 'contract-ended'>]: (data: HubToPublisher[Method]) => void
}

/** What the hub tells field senders alone: browsers hear it by RTCP, or not at all. */
export const FOR_FIELD_SENDERS: Pick<PublisherHandlers, 'keyframe-request' | 'arrivals' | 'direct-leave'> = {
  'keyframe-request': () => {},
  arrivals: () => {},
  'direct-leave': () => {},
}

/** The hub refused a request; `code` is the hub's, e.g. `stream_taken`. */
export class RequestRefusal extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** A publisher's WebSocket to the hub, from its handshake to its end. Its owner makes a new one. */
export class PublisherConnection {
  readonly #socket: HubSocket

  constructor(url: string, handlers: PublisherHandlers) {
    this.#socket = new HubSocket(url, {
      answer: () => Promise.reject(new Error('publishers answer no requests')),
      notified: (method, data) => this.#receive(method, data, handlers),
    })
  }

  /** Whether the connection is over. */
  get over(): boolean {
    return this.#socket.over
  }

  /** Resolves when the connection is over, with the reason. Never rejects. */
  get closed(): Promise<Closing> {
    return this.#socket.closed
  }

  /**
   * Sends a request and waits at most 5 s for its answer.
   * @throws RequestRefusal, or an Error when the connection ends before the answer
   */
  async request<Method extends keyof PublisherRequests>(
    method: Method,
    data: PublisherRequests[Method],
  ): Promise<unknown> {
    try {
      return await this.#socket.request(method, data)
    } catch (error) {
      throw refusalOf(error) ?? error
    }
  }

  /** Sends a report. A report that can't be sent is of no use later and is dropped. */
  report(report: PublisherReport): void {
    this.#socket.notify('report', report)
  }

  /** Ends the connection. The first reason given counts. */
  close(reason: string, cause: Closing['cause'] = 'closed-here'): void {
    this.#socket.close(reason, cause)
  }

  #receive(method: string, data: unknown, handlers: PublisherHandlers): void {
    // A newer hub may send messages that this publisher does not know.
    if (!Object.hasOwn(hubToPublisher, method)) return
    try {
      if (method === 'contract-ended') {
        const { reason } = hubToPublisher['contract-ended'].parse(data)
        this.close(CONTRACT_ENDED[reason], reason)
        return
      }
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

/** protoo's refusals carry a status, and as their reason `code: message`. */
function refusalOf(error: unknown): RequestRefusal | null {
  if (!(error instanceof Error)) return null
  const [, code, message] = /^([a-z_]+): (.*)$/s.exec(error.message) ?? []
  if (code === undefined || message === undefined) return null
  const status = 'code' in error && typeof error.code === 'number' ? error.code : 500
  return new RequestRefusal(status, code, message)
}
