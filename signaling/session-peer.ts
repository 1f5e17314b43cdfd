import type { Peer, ProtooRequest } from 'protoo-server'
import { CodedError } from '../common/errors.ts'
import type { MediaEvents, StreamName } from '../sfu/media-events.ts'
import { orNoWorker } from '../sfu/worker-loss.ts'
import { hasVanished } from './protoo-goodbye.ts'
import { handlerOf, refusalText } from './protoo-request.ts'
import { RequestBudget } from './request-budget.ts'

type NewsOf<Notifications> = {
  [Method in keyof Notifications & string]: [method: Method, data: Notifications[Method]]
}[keyof Notifications & string]

/** How a session uses its connection. */
export interface SessionPeerOwner {
  readonly role: 'viewer' | 'publisher' | 'node'
  /** Handlers of requests by method. Whatever they throw is the refusal. */
  readonly handlers: Readonly<Record<string, (data: unknown) => Promise<unknown>>>
  /** Handlers of notifications by method. Each returns whether the notification made sense. */
  readonly notified: Readonly<Record<string, (data: unknown) => boolean>>
  /** Most requests and notifications. A client that sends more is cut off. */
  readonly perSecond: number
  readonly burst: number
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
  /** The stream for which refusals are counted; null while there is none. */
  readonly streamName: StreamName | null
  /** @param vanished without a goodbye: the other end may come back */
  closed(vanished: boolean): void
}

/**
 * A session's end of a protoo connection. The session's handlers answer requests, a client that sends too much is cut
 * off, and `Notifications` (data by method) go out now or never.
 */
export class SessionPeer<Notifications extends object> {
  readonly #peer: Peer
  readonly #owner: SessionPeerOwner
  readonly #budget: RequestBudget

  constructor(peer: Peer, owner: SessionPeerOwner) {
    this.#peer = peer
    this.#owner = owner
    this.#budget = new RequestBudget(owner.perSecond, owner.burst, performance.now())
    peer.on('close', () => owner.closed(hasVanished(peer)))
    peer.on('request', (request, accept, reject) => {
      this.#answer(request).then(accept, (thrown) => {
        const error = orNoWorker(thrown)
        const coded = error instanceof CodedError ? error : new CodedError('internal', 'the hub failed')
        if (coded === error) this.rejected(coded.code, coded.message)
        else owner.events.error('signaling', owner.role === 'viewer' ? 'request' : owner.role, error)
        reject(coded.status, refusalText(coded))
      })
    })
    peer.on('notification', ({ method, data }) => {
      if (!this.#budget.take(performance.now())) return this.#cutOff()
      const handler = Object.hasOwn(owner.notified, method) ? owner.notified[method] : undefined
      if (!handler?.(data)) this.rejected('bad_message', `notification ${String(method).slice(0, 40)}`)
    })
  }

  get id(): string {
    return this.#peer.id
  }

  notify(...[method, data]: NewsOf<Notifications>): void {
    if (!this.#peer.closed)
      // A WebSocket that can't be written is gone, and will report that any moment.
      this.#peer.notify(method, data).catch(() => this.#peer.close())
  }

  /** @throws when the request is refused, or the connection closes before the answer */
  request(method: string, data: unknown): Promise<unknown> {
    return this.#peer.request(method, data)
  }

  /** Records a message of the other end that was refused. */
  rejected(code: string, detail: string): void {
    this.#owner.events.rejected(this.#owner.streamName, code, detail)
  }

  close(): void {
    this.#peer.close()
  }

  /** The last notification leaves first: the WebSocket closes after that. */
  closeSoon(): void {
    setImmediate(() => this.#peer.close())
  }

  async #answer({ method, data }: ProtooRequest): Promise<unknown> {
    if (!this.#budget.take(performance.now())) return this.#cutOff()
    return handlerOf(this.#owner.handlers, method)(data ?? {})
  }

  #cutOff(): undefined {
    this.rejected('flood', `a ${this.#owner.role} sent too many messages and was cut off`)
    this.#peer.close()
  }
}

/** The connection closed while something was asked on it. */
export function connectionGone(): CodedError {
  return new CodedError('gone', 'the connection closed')
}
