import type { Socket } from 'node:net'
import type { Endpoint } from '../common/net/endpoint.ts'
import { Frames } from '../common/stun/frames.ts'
import type { Allocation, Client } from './allocation.ts'
import type { Flushed, Packets } from './packets.ts'

/**
 * Most bytes that wait for a client that reads slowly, 0.4 s of 5 Mb/s. Further packets are dropped, as UDP would: late
 * media is worth nothing.
 */
export const MAX_QUEUED_BYTES = 256 * 1024
/** How long a connection may take for a frame that it has begun, and stay without an allocation, ms. */
export const FRAME_MS = 10_000
export const IDLE_MS = 30_000

export type OnFrame = (client: StreamClient, start: number, length: number) => void

/** A connection over TCP or TLS: one 5-tuple. */
export class StreamClient implements Client, Flushed {
  readonly protocol: 'tcp' | 'tls'
  readonly address: Endpoint
  allocation: Allocation | null = null
  /** Packets that were dropped because the client reads too slowly. */
  dropped = 0
  readonly #socket: Socket
  readonly #packets: Packets
  readonly #frames = new Frames()
  readonly #take: OnFrame
  readonly #nowMs: () => number
  #corked = false
  /** When the present unfinished frame began. */
  #frameMs: number
  /** Since when it has no allocation. Requests that anybody may send don't keep a place. */
  #withoutMs: number

  constructor(
    protocol: 'tcp' | 'tls',
    socket: Socket,
    address: Endpoint,
    packets: Packets,
    take: OnFrame,
    nowMs: () => number,
  ) {
    this.protocol = protocol
    this.#socket = socket
    this.#packets = packets
    this.#take = take
    this.#nowMs = nowMs
    this.#frameMs = nowMs()
    this.#withoutMs = this.#frameMs
    // Node would join frames that wait into one TLS record. Some clients, coturn's too, take a record for a frame.
    if (protocol === 'tls') Object.assign(socket, { _writev: null })
    this.address = address
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
  }

  send(start: number, length: number): void {
    const socket = this.#socket
    if (!socket.writable) return
    if (socket.writableLength > MAX_QUEUED_BYTES) {
      this.dropped += 1
      return
    }
    if (!this.#corked) {
      this.#corked = true
      socket.cork()
      this.#packets.flushAlso(this)
    }
    socket.write(Buffer.from(this.#packets.bytes.subarray(start, start + length)))
  }

  began(): void {}

  ended(): void {
    this.#withoutMs = this.#nowMs()
  }

  flush(): void {
    this.#corked = false
    this.#socket.uncork()
  }

  /** Whether the connection holds up a place that others need: it is slow on purpose, or does nothing. */
  isIdle(nowMs: number): boolean {
    if (this.#frames.unfinished && nowMs - this.#frameMs > FRAME_MS) return true
    return this.allocation === null && nowMs - this.#withoutMs > IDLE_MS
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const wasUnfinished = this.#frames.unfinished
    let whole = false
    const isTurn = this.#frames.read(chunk, (frame) => {
      whole = true
      const start = this.#packets.room()
      this.#packets.bytes.set(frame, start)
      this.#take(this, start, frame.length)
      return !this.#socket.destroyed
    })
    if (whole || !wasUnfinished) this.#frameMs = this.#nowMs()
    if (!isTurn) this.close()
  }
}
