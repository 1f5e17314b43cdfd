import { Peer, WebSocketTransport } from 'protoo-client'

/** Longest wait for an answer of the hub, ms. After that the connection counts as dead. */
const ANSWER_TIMEOUT_MS = 5_000
/** A lost connection is closed after this time, ms: longer than the hub keeps what was watched on it. */
const LINGER_MS = 16_000

/**
 * Why a connection is over. `never-opened`: the hub did not take it (down, or full). `expired` and `revoked`: the hub
 * ended its contract.
 */
export interface Closing {
  readonly cause: 'never-opened' | 'lost' | 'closed-here' | 'expired' | 'revoked'
  readonly reason: string
}

/** The hub's first message and its requests, for the owner. */
export interface HubSocketOwner {
  /** Answers a request of the hub, or rejects with the reason. */
  answer(method: string, data: unknown): Promise<object>
  notified(method: string, data: unknown): void
}

/**
 * One protoo WebSocket to the hub, from its handshake to its end. The hub speaks first and answers within 5 s, or the
 * connection counts as dead. It does not reconnect: protoo alone would, but without the request that lets the client
 * in.
 */
export class HubSocket {
  readonly #peer: Peer
  readonly #closed = Promise.withResolvers<Closing>()
  readonly #firstWord: ReturnType<typeof setTimeout>
  /** Rejects the requests that wait for their answers. */
  readonly #waiting = new Set<(error: Error) => void>()
  #opened = false
  #over = false
  #ended = false
  #lingering: ReturnType<typeof setTimeout> | undefined

  constructor(url: string, owner: HubSocketOwner) {
    this.#peer = new Peer(new WebSocketTransport(url, { retry: { retries: 0 } }))
    const over = (reason: string) => this.close(reason, this.#opened ? 'lost' : 'never-opened')
    this.#firstWord = setTimeout(() => over('the server did not answer'), ANSWER_TIMEOUT_MS)
    this.#peer.on('open', () => {
      this.#opened = true
      if (this.#ended) this.#peer.close()
    })
    this.#peer.on('failed', () => (this.#over ? this.#peer.close() : over('the server could not be reached')))
    this.#peer.on('disconnected', () => over('the connection to the server was lost'))
    this.#peer.on('close', () => over('the server closed the connection'))
    this.#peer.on('request', ({ method, data }, accept, reject) => {
      owner.answer(method, data).then(accept, (error: unknown) => reject(400, String(error)))
    })
    this.#peer.on('notification', ({ method, data }) => {
      if (this.#over) return
      clearTimeout(this.#firstWord)
      owner.notified(method, data)
    })
  }

  /** Resolves when the connection is over, with the reason. Never rejects. */
  get closed(): Promise<Closing> {
    return this.#closed.promise
  }

  /**
   * Sends a request and waits at most 5 s for its answer.
   * @throws when the hub refuses, or when the connection ends before the answer
   */
  async request(method: string, data: object): Promise<unknown> {
    const timer = setTimeout(() => this.close('the server stopped answering', 'lost'), ANSWER_TIMEOUT_MS)
    // protoo loses a request that is leaving just when the connection closes, for up to a minute.
    const over = Promise.withResolvers<never>()
    this.#waiting.add(over.reject)
    try {
      return await Promise.race([this.#peer.request(method, data), over.promise])
    } finally {
      this.#waiting.delete(over.reject)
      clearTimeout(timer)
    }
  }

  /** Sends a notification now or never: later it is of no use. */
  notify(method: string, data: object): void {
    this.#peer.notify(method, data).catch(() => {})
  }

  /** Whether the connection is over. */
  get over(): boolean {
    return this.#over
  }

  /**
   * Ends the connection. The first reason given counts. A lost connection says no goodbye for a while, because the hub
   * would then end what the other end may still come back to.
   */
  close(reason: string, cause: Closing['cause'] = 'closed-here'): void {
    clearTimeout(this.#firstWord)
    this.#over = true
    this.#closed.resolve({ cause, reason })
    for (const reject of this.#waiting) reject(new Error(reason))
    this.#waiting.clear()
    if (cause === 'lost') this.#lingering ??= setTimeout(() => this.#end(), LINGER_MS)
    else this.#end(cause !== 'closed-here')
  }

  #end(always = true): void {
    clearTimeout(this.#lingering)
    this.#ended = true
    // A WebSocket that is closed while it connects is an error for browsers, which they write to the page's console.
    if (this.#opened || always) this.#peer.close()
  }
}

/** The WebSocket address of a path or URL that the hub names. */
export function webSocketUrl(place: string, hubUrl: string): string {
  const url = new URL(place, hubUrl)
  url.protocol = url.protocol.replace('http', 'ws')
  return url.href
}
