import { Peer, WebSocketTransport } from 'protoo-client'
import {
  type ConsumerInfo,
  type HubNotifications,
  hubNotifications,
  hubRequests,
  type ViewerNotifications,
  type ViewerReport,
  type ViewerRequests,
} from '../../common/wire/viewer-protocol.ts'

/** Longest wait for an answer of the hub, in ms: past it the connection counts as dead. */
const ANSWER_TIMEOUT_MS = 5_000

/** Why a contract is over, in words. */
export const CONTRACT_ENDED = {
  expired: 'the time granted for watching was over',
  revoked: 'the server ended this viewing',
} as const

/** What the owner of a connection does with what the hub says; every value has passed its schema. */
export interface HubHandlers {
  welcome(data: HubNotifications['welcome']): void
  stream(data: HubNotifications['stream']): void
  consumerClosed(data: HubNotifications['consumer-closed']): void
  consumerLayer(data: HubNotifications['consumer-layer']): void
  rejoin(data: HubNotifications['rejoin']): void
  captureClock(data: HubNotifications['capture-clock']): void
  abrChanged(data: HubNotifications['abr-changed']): void
  picture?(data: HubNotifications['picture']): void
  data?(data: HubNotifications['data']): void
  /** One of the contracts is over. Left out, the connection ends with it. */
  contractEnded?(data: HubNotifications['contract-ended']): void
  /** Resolves once the consumer receives. */
  consume(info: ConsumerInfo): Promise<void>
}

/**
 * Why a connection is over: `never-opened` the hub did not take it (down, or full); `expired` and `revoked` the hub
 * ended its contract.
 */
export interface Closing {
  readonly cause: 'never-opened' | 'lost' | 'closed-here' | 'expired' | 'revoked'
  readonly reason: string
}

/** One WebSocket to the hub, from the handshake to its end; it does not reconnect, its owner makes a new one. */
export class HubConnection {
  readonly #peer: Peer
  readonly #closed = Promise.withResolvers<Closing>()
  readonly #welcomeTimer: ReturnType<typeof setTimeout>
  #opened = false

  constructor(url: string, handlers: HubHandlers) {
    // protoo would reconnect by itself, but without `join`: one attempt only, the rest is the owner's.
    this.#peer = new Peer(new WebSocketTransport(url, { retry: { retries: 0 } }))
    const over = (reason: string) => this.close(reason, this.#opened ? 'lost' : 'never-opened')
    this.#welcomeTimer = setTimeout(() => over('the server did not answer'), ANSWER_TIMEOUT_MS)
    this.#peer.on('open', () => {
      this.#opened = true
    })
    this.#peer.on('failed', () => over('the server could not be reached'))
    this.#peer.on('disconnected', () => over('the connection to the server was lost'))
    this.#peer.on('close', () => over('the server closed the connection'))
    this.#peer.on('request', (request, accept, reject) => {
      this.#answer(request, handlers).then(accept, (error: unknown) => reject(400, String(error)))
    })
    this.#peer.on('notification', ({ method, data }) => this.#receive(method, data, handlers))
  }

  /** Resolves when the connection is over, with the reason. Never rejects. */
  get closed(): Promise<Closing> {
    return this.#closed.promise
  }

  /**
   * Sends a request and waits at most 5 s for its answer.
   * @throws when the hub refuses it, or when the connection ends before it is answered.
   */
  async request<Method extends keyof ViewerRequests>(
    method: Method,
    data: ViewerRequests[Method],
  ): Promise<unknown> {
    const timer = setTimeout(() => this.close('the server stopped answering', 'lost'), ANSWER_TIMEOUT_MS)
    try {
      return await this.#peer.request(method, data)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends a report; one that can't be sent is of no use later and is dropped. */
  report(report: ViewerReport): void {
    this.#peer.notify('report', report).catch(() => {})
  }

  /** Tells that pictures pile up in front of the link, at once or never. */
  congested(congestion: ViewerNotifications['congested']): void {
    this.#peer.notify('congested', congestion).catch(() => {})
  }

  /** Ends the connection; the first reason given stands. */
  close(reason: string, cause: Closing['cause'] = 'closed-here'): void {
    clearTimeout(this.#welcomeTimer)
    this.#closed.resolve({ cause, reason })
    this.#peer.close()
  }

  async #answer(request: { method: string; data: unknown }, handlers: HubHandlers): Promise<object> {
    if (request.method !== 'consume') throw new Error(`unknown method ${request.method}`)
    await handlers.consume(hubRequests.consume.parse(request.data))
    return {}
  }

  #receive(method: string, data: unknown, handlers: HubHandlers): void {
    try {
      switch (method) {
        case 'welcome':
          clearTimeout(this.#welcomeTimer)
          return handlers.welcome(hubNotifications.welcome.parse(data))
        case 'stream':
          return handlers.stream(hubNotifications.stream.parse(data))
        case 'consumer-closed':
          return handlers.consumerClosed(hubNotifications['consumer-closed'].parse(data))
        case 'consumer-layer':
          return handlers.consumerLayer(hubNotifications['consumer-layer'].parse(data))
        case 'rejoin':
          return handlers.rejoin(hubNotifications.rejoin.parse(data))
        case 'capture-clock':
          return handlers.captureClock(hubNotifications['capture-clock'].parse(data))
        case 'abr-changed':
          return handlers.abrChanged(hubNotifications['abr-changed'].parse(data))
        case 'picture':
          return handlers.picture?.(hubNotifications.picture.parse(data))
        case 'data':
          return handlers.data?.(hubNotifications.data.parse(data))
        case 'contract-ended': {
          const ended = hubNotifications['contract-ended'].parse(data)
          if (handlers.contractEnded) return handlers.contractEnded(ended)
          return this.close(CONTRACT_ENDED[ended.reason], ended.reason)
        }
        default:
          // A newer hub may say more than this viewer understands.
          return
      }
    } catch {
      this.close(`the server sent a "${method}" that can't be understood`, 'lost')
    }
  }
}
