import {
  type ConsumerInfo,
  type HubNotifications,
  hubNotifications,
  hubRequests,
  type JoinAnswer,
  type ViewerNotifications,
  type ViewerReport,
  type ViewerRequests,
} from '../../common/wire/viewer-protocol.ts'
import { type Closing, HubSocket } from './hub-socket.ts'

/** Why a contract is over, in words. */
export const CONTRACT_ENDED = {
  expired: 'the time granted for watching was over',
  revoked: 'the server ended this viewing',
} as const

/** What the owner of a connection does with the hub's messages. Every value has passed its schema. */
export interface HubHandlers {
  welcome(data: HubNotifications['welcome']): void
  stream(data: HubNotifications['stream']): void
  consumerClosed(data: HubNotifications['consumer-closed']): void
  consumerLayer(data: HubNotifications['consumer-layer']): void
  rejoin(data: HubNotifications['rejoin']): void
  /** The hub lost the path to a transport. */
  pathLost?(data: HubNotifications['path-lost']): void
  captureClock(data: HubNotifications['capture-clock']): void
  abrChanged(data: HubNotifications['abr-changed']): void
  picture?(data: HubNotifications['picture']): void
  unplayable?(data: HubNotifications['unplayable']): void
  data?(data: HubNotifications['data']): void
  /** One of the contracts is over. Left out, the connection ends with the contract. */
  contractEnded?(data: HubNotifications['contract-ended']): void
  /** Resolves once the consumer receives. */
  consume(info: ConsumerInfo): Promise<void>
  /** Resolves once the second transport delivers. Left out, the hub is told that this client can't move. */
  move?(move: JoinAnswer): Promise<void>
  /** The second transport replaces the first. */
  switch?(transportId: string): void
  /** The second transport will not be used. */
  moveEnded?(transportId: string): void
}

/** One WebSocket to the hub, from its handshake to its end. It does not reconnect: its owner makes a new one. */
export class HubConnection {
  readonly #socket: HubSocket

  constructor(url: string, handlers: HubHandlers) {
    this.#socket = new HubSocket(url, {
      answer: (method, data) => this.#answer(method, data, handlers),
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
   * @throws when the hub refuses, or when the connection ends before the answer
   */
  async request<Method extends keyof ViewerRequests>(
    method: Method,
    data: ViewerRequests[Method],
  ): Promise<unknown> {
    return this.#socket.request(method, data)
  }

  /** Sends a report. A report that can't be sent is of no use later and is dropped. */
  report(report: ViewerReport): void {
    this.#socket.notify('report', report)
  }

  /** Tells that pictures pile up in front of the link, at once or never. */
  congested(congestion: ViewerNotifications['congested']): void {
    this.#socket.notify('congested', congestion)
  }

  /** Ends the connection. The first reason given counts. */
  close(reason: string, cause: Closing['cause'] = 'closed-here'): void {
    this.#socket.close(reason, cause)
  }

  async #answer(method: string, data: unknown, handlers: HubHandlers): Promise<object> {
    if (method === 'consume') await handlers.consume(hubRequests.consume.parse(data))
    else if (method === 'move' && handlers.move) await handlers.move(hubRequests.move.parse(data))
    else if (method === 'switch' && handlers.switch)
      handlers.switch(hubRequests.switch.parse(data).transport_id)
    else throw new Error(`unknown method ${method}`)
    return {}
  }

  #receive(method: string, data: unknown, handlers: HubHandlers): void {
    try {
      switch (method) {
        case 'welcome':
          return handlers.welcome(hubNotifications.welcome.parse(data))
        case 'stream':
          return handlers.stream(hubNotifications.stream.parse(data))
        case 'consumer-closed':
          return handlers.consumerClosed(hubNotifications['consumer-closed'].parse(data))
        case 'consumer-layer':
          return handlers.consumerLayer(hubNotifications['consumer-layer'].parse(data))
        case 'move-ended':
          return handlers.moveEnded?.(hubNotifications['move-ended'].parse(data).transport_id)
        case 'rejoin':
          return handlers.rejoin(hubNotifications.rejoin.parse(data))
        case 'path-lost':
          return handlers.pathLost?.(hubNotifications['path-lost'].parse(data))
        case 'capture-clock':
          return handlers.captureClock(hubNotifications['capture-clock'].parse(data))
        case 'abr-changed':
          return handlers.abrChanged(hubNotifications['abr-changed'].parse(data))
        case 'picture':
          return handlers.picture?.(hubNotifications.picture.parse(data))
        case 'unplayable':
          return handlers.unplayable?.(hubNotifications.unplayable.parse(data))
        case 'data':
          return handlers.data?.(hubNotifications.data.parse(data))
        case 'contract-ended': {
          const ended = hubNotifications['contract-ended'].parse(data)
          if (handlers.contractEnded) return handlers.contractEnded(ended)
          return this.close(CONTRACT_ENDED[ended.reason], ended.reason)
        }
        default:
          // A newer hub may send messages that this viewer does not know.
          return
      }
    } catch {
      this.close(`the server sent a "${method}" that can't be understood`, 'lost')
    }
  }
}
