/** The part of ws 8 that the hub and the agent use; it brings no types. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  import type { IncomingMessage } from 'node:http'
  import type { Duplex } from 'node:stream'

  export interface ClientOptions {
    readonly headers?: Readonly<Record<string, string>>
    readonly perMessageDeflate?: false
    /** Longest message that is taken, bytes. */
    readonly maxPayload?: number
    /** The connection below. */
    readonly createConnection?: () => Duplex
  }

  export class WebSocket extends EventEmitter {
    /** A client's. */
    constructor(url: string | URL, protocol?: string, options?: ClientOptions)
    /** Bytes that wait to be sent, the kernel's not counted. */
    readonly bufferedAmount: number
    /** 1 while the connection is open, RFC 6455 section 4. */
    readonly readyState: 0 | 1 | 2 | 3
    on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this
    on(event: 'ping' | 'pong', listener: (data: Buffer) => void): this
    on(event: 'open', listener: () => void): this
    on(event: 'close', listener: (code: number, reason: Buffer) => void): this
    on(event: 'error', listener: (error: Error & { code?: string }) => void): this
    send(data: string | Uint8Array): void
    ping(data?: string | Buffer): void
    pong(data?: string | Buffer): void
    close(code?: number, reason?: string): void
    /** Ends the connection without a closing handshake. */
    terminate(): void
    /** Reads no more until `resume`: TCP tells the other end. */
    pause(): void
    resume(): void
  }

  export interface ServerOptions {
    readonly noServer: true
    readonly clientTracking: false
    readonly perMessageDeflate: false
    /** Longest message, bytes. A longer message ends its connection (close code 1009). */
    readonly maxPayload: number
  }

  export class WebSocketServer {
    constructor(options: ServerOptions)
    handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      done: (socket: WebSocket) => void,
    ): void
  }
}
