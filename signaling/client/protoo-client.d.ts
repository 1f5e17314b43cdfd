/** The used part of protoo-client 4.0.8. The package has no types. */
declare module 'protoo-client' {
  interface RetryOptions {
    readonly retries: number
    readonly minTimeout?: number
    readonly maxTimeout?: number
  }

  export class WebSocketTransport {
    constructor(url: string, options?: { readonly retry?: RetryOptions })
    close(): void
  }

  interface PeerEvents {
    open: []
    failed: [currentAttempt: number]
    disconnected: []
    close: []
    request: [
      request: { readonly method: string; readonly data: unknown },
      accept: (data?: unknown) => void,
      reject: (code: number, reason: string) => void,
    ]
    notification: [notification: { readonly method: string; readonly data: unknown }]
  }

  export class Peer {
    constructor(transport: WebSocketTransport)
    on<Name extends keyof PeerEvents>(name: Name, listener: (...args: PeerEvents[Name]) => void): this
    request(method: string, data?: unknown): Promise<unknown>
    notify(method: string, data?: unknown): Promise<void>
    close(): void
  }
}
