import type { Peer, ProtooRequest } from 'protoo-server'
import { CodedError } from '../common/errors.ts'
import { hasVanished } from './protoo-goodbye.ts'
import { handlerOf, refusalText } from './protoo-request.ts'
import type { RequestBudget } from './request-budget.ts'

/** What a session makes of its connection. */
export interface SessionPeerOwner {
  /** What it answers, by method; whatever they throw is the refusal. */
  readonly handlers: Readonly<Record<string, (data: unknown) => Promise<unknown>>>
  /** Requests and notifications it takes; who sends more is cut off. */
  readonly budget: RequestBudget
  notified(method: string, data: unknown): void
  /** A request was refused. */
  refused(refusal: CodedError): void
  /** A request failed for no fault of the other end. */
  failed(error: unknown): void
  /** It sent too much, and is cut off. */
  flooded(): void
  /** @param vanished without a goodbye: it may come back */
  closed(vanished: boolean): void
}

/**
 * A session's end of a protoo connection: requests are answered by the session's handlers, whoever sends too much is
 * cut off, and `Notifications` (data by method) go out now or never.
 */
export class SessionPeer<Notifications extends object> {
  readonly #peer: Peer
  readonly #owner: SessionPeerOwner

  constructor(peer: Peer, owner: SessionPeerOwner) {
    this.#peer = peer
    this.#owner = owner
    peer.on('close', () => owner.closed(hasVanished(peer)))
    peer.on('request', (request, accept, reject) => {
      this.#answer(request).then(accept, (error) => {
        const coded = error instanceof CodedError ? error : new CodedError('internal', 'the hub failed')
        if (coded === error) owner.refused(coded)
        else owner.failed(error)
        reject(coded.status, refusalText(coded))
      })
    })
    peer.on('notification', ({ method, data }) => {
      if (owner.budget.take(performance.now())) owner.notified(method, data)
      else this.#cutOff()
    })
  }

  get id(): string {
    return this.#peer.id
  }

  notify<Method extends keyof Notifications & string>(method: Method, data: Notifications[Method]): void {
    if (!this.#peer.closed)
      // A WebSocket that can't be written is gone, and will be told so any moment.
      this.#peer.notify(method, data).catch(() => this.#peer.close())
  }

  /** @throws when it is refused, or the connection closes before it is answered */
  request(method: string, data: unknown): Promise<unknown> {
    return this.#peer.request(method, data)
  }

  close(): void {
    this.#peer.close()
  }

  /** What was notified last leaves first: the WebSocket closes when it has. */
  closeSoon(): void {
    setImmediate(() => this.#peer.close())
  }

  async #answer({ method, data }: ProtooRequest): Promise<unknown> {
    if (!this.#owner.budget.take(performance.now())) return this.#cutOff()
    return handlerOf(this.#owner.handlers, method)(data ?? {})
  }

  #cutOff(): undefined {
    this.#owner.flooded()
    this.#peer.close()
  }
}
