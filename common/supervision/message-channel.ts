import type { Duplex } from 'node:stream'

/** Longest message, bytes. */
const MAX_MESSAGE_BYTES = 1024 * 1024
/** Most bytes that wait for the other end to read. Further messages are dropped. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024
/** Most messages heard in one turn of the event loop: the loop has other things to do. */
const HEARD_IN_A_TURN = 100
/** More messages than a child says in a minute during which the other end stood still. More than this is a flood. */
const BURST = 20_000
const PER_SECOND = 1000
/** This many bytes count as one more message. */
const BYTES_OF_A_MESSAGE = 1024
const NEWLINE = 10

export interface ChannelListener {
  /** Any JSON. */
  heard(message: unknown): void
  /** The other end sends nonsense or too much. Nothing more is heard of it. @param why in words, about the other end */
  broken(why: string): void
  /** The other end ended, or will send nothing more. */
  ended(): void
}

/**
 * JSON messages, one on each line, between a process and its child over a socket pair. Node's own IPC is not used: with
 * it one byte that is no JSON throws in the listening process, where nobody can catch it, and a message of any length
 * is kept in memory.
 */
export class MessageChannel {
  readonly #socket: Duplex
  readonly #listener: ChannelListener
  readonly #now: () => number
  /** The chunk being heard, and the position in it. */
  #chunk: Buffer | null = null
  #at = 0
  /** The beginning of an incomplete message. */
  #line: Buffer[] = []
  #lineBytes = 0
  #left = BURST
  #refilledAt: number
  #turn: NodeJS.Immediate | null = null
  #broken = false
  #ended = false

  constructor(socket: Duplex, listener: ChannelListener, now = () => performance.now()) {
    this.#socket = socket
    this.#listener = listener
    this.#now = now
    this.#refilledAt = now()
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {}) // 'close' tells.
    socket.once('end', () => this.#end())
    socket.once('close', () => this.#end())
  }

  /** @param done called when the message is on its way, or can't be sent any more */
  send(message: unknown, done: () => void = () => {}): void {
    if (this.#socket.writable && this.#socket.writableLength < MAX_QUEUED_BYTES)
      this.#socket.write(`${JSON.stringify(message)}\n`, () => done())
    else done()
  }

  /** Tells the other end that nothing more will be sent. The other end may still send. */
  end(): void {
    this.#socket.end()
  }

  /** Neither sends nor hears anything more. */
  destroy(): void {
    this.#broken = true
    if (this.#turn) clearImmediate(this.#turn)
    this.#chunk = null
    this.#line = []
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#broken) return
    this.#chunk = chunk
    this.#at = 0
    this.#hear()
  }

  /** Hears arrived messages, a limited number in each turn. The rest waits in the socket. */
  #hear(): void {
    this.#turn = null
    for (let heard = 0; heard < HEARD_IN_A_TURN; heard += 1) {
      const chunk = this.#chunk
      if (!chunk) return
      const to = chunk.indexOf(NEWLINE, this.#at)
      const part = chunk.subarray(this.#at, to < 0 ? chunk.length : to)
      this.#lineBytes += part.length
      if (this.#lineBytes > MAX_MESSAGE_BYTES)
        return this.#break(`says a message of more than ${MAX_MESSAGE_BYTES} bytes`)
      this.#line.push(part)
      if (to < 0) {
        this.#chunk = null
        if (this.#socket.isPaused()) this.#socket.resume()
        return
      }
      this.#at = to + 1
      this.#left -= 1 + this.#lineBytes / BYTES_OF_A_MESSAGE
      if (this.#left < 0 && !this.#refill()) return this.#break('floods: it says more than anybody can hear')
      const message = parse(this.#line)
      this.#line = []
      this.#lineBytes = 0
      if (message === undefined) return this.#break('says what is not JSON')
      this.#listener.heard(message)
    }
    this.#socket.pause()
    this.#turn = setImmediate(() => this.#hear())
  }

  #refill(): boolean {
    const now = this.#now()
    this.#left = Math.min(BURST, this.#left + ((now - this.#refilledAt) * PER_SECOND) / 1000)
    this.#refilledAt = now
    return this.#left >= 0
  }

  #break(why: string): void {
    this.#broken = true
    // This comes first. Otherwise the other end would notice, and end in another way.
    this.#listener.broken(why)
    this.destroy()
  }

  #end(): void {
    if (this.#ended || this.#broken) return
    this.#ended = true
    this.#listener.ended()
  }
}

/** undefined for a line that is no JSON: JSON can't hold undefined. */
function parse(line: readonly Buffer[]): unknown {
  try {
    return JSON.parse(Buffer.concat(line).toString('utf8'))
  } catch {
    return undefined
  }
}
