import type { WebSocket } from 'ws'
import { CodedError } from '../../common/errors.ts'
import {
  type DetourAnswer,
  DetourMessageWriter,
  detourHelloSchema,
  readDetourMessage,
} from '../../common/wire/detour-frames.ts'
import { LinkSockets } from '../../sfu/link-sockets.ts'
import type { MediaEvents } from '../../sfu/media-events.ts'
import { ByteBudget } from './byte-budget.ts'
import type { DetourAdmission, DetourPlace } from './detour-admission.ts'

/** A connection that shows no ticket within this time is closed, ms. */
const HELLO_WITHIN_MS = 5000
/** RIST keeps its connection up by packets each second. A sender that is silent for this long is gone, ms. */
const SILENT_MS = 10_000
/** Most bytes for a sender that wait for the sender to read. Answers that are more are dropped, as on a network. */
const MAX_WAITING_BYTES = 128 * 1024
/** Room above the contract's rate: WebSocket, TLS and what waited somewhere. */
const RATE_ROOM = 1.25
/** What may come at once, ms of the rate: TCP delivers all that waited for one lost segment. */
const BURST_MS = 1000
/** Least burst, bytes: a keyframe. */
const LEAST_BURST_BYTES = 256 * 1024

/**
 * What a message, and each datagram in it, counts at least, bytes. Small ones cost the hub as much as whole packets: without
 * this, a sender's rate in bytes would be some hundred thousand system calls and messages a second.
 */
const LEAST_COST_BYTES = 256

/** Close codes of RFC 6455 section 7.4.1. */
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008

export interface DetourConnectionOptions {
  readonly admission: DetourAdmission
  readonly events: Pick<MediaEvents, 'rejected' | 'error'>
  /** Bytes that came from senders and went to them, and messages to senders that were dropped. */
  readonly count: (direction: 'received' | 'sent' | 'dropped', amount: number) => void
}

/** One sender's WebSocket: the datagrams of its links come as binary messages, and go on to the stream's RIST ports. */
export class DetourConnection implements Disposable {
  readonly #socket: WebSocket
  readonly #options: DetourConnectionOptions
  readonly #writer = new DetourMessageWriter()
  readonly #stack = new DisposableStack()
  #carried: { readonly place: DetourPlace; readonly links: LinkSockets; readonly budget: ByteBudget } | null =
    null
  /** Until the ticket, and from then on for as long as the sender may be silent. */
  #timer: NodeJS.Timeout
  #resume: NodeJS.Timeout | null = null
  #clock = 0
  #flushing = false
  #closed = false

  constructor(socket: WebSocket, options: DetourConnectionOptions) {
    this.#socket = socket
    this.#options = options
    this.#timer = setTimeout(() => this.#refuse('no_ticket', 'no ticket came in time'), HELLO_WITHIN_MS)
    // The library tells why it ends a connection: a frame that breaks the protocol, or a message that is too long.
    socket.on('error', (error) => this.#faulty(error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'))
    socket.on('close', () => this[Symbol.dispose]())
    socket.on('message', (data, isBinary) => this.#heard(data, isBinary))
    // The library answers. Nobody needs these frames: they count, so that a flood of them is read slowly.
    socket.on('ping', () => this.#idled())
    socket.on('pong', () => this.#idled())
  }

  get stranger(): boolean {
    return this.#carried === null
  }

  /** Ends the connection: the hub stops, or somebody else gets its place. */
  close(): void {
    this.#socket.close(GOING_AWAY)
    this[Symbol.dispose]()
    // A sender that does not answer the closing handshake holds nothing of the hub.
    setTimeout(() => this.#socket.terminate(), 1000).unref()
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    if (this.#resume) clearTimeout(this.#resume)
    this.#stack.dispose()
  }

  #heard(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return
    if (!this.#carried) return this.#greet(data, isBinary)
    const { place, links, budget } = this.#carried
    const message = isBinary ? readDetourMessage(data, place.ports.length) : null
    if (!message) {
      this.#options.events.rejected(place.stream, 'malformed_message', 'a message of a detour is none')
      return this.#end({ type: 'refused', code: 'bad_request', message: 'that is no message of datagrams' })
    }
    this.#timer.refresh()
    this.#clock = message.clock
    this.#options.count('received', data.length)
    try {
      links.send(message.entries)
    } catch (error) {
      this.#options.events.error('detour', 'socket', error)
      return this.close()
    }
    this.#flushSoon()
    this.#spend(budget, Math.max(data.length, LEAST_COST_BYTES * (1 + message.entries.length)))
  }

  #idled(): void {
    if (this.#closed) return
    if (this.#carried) this.#spend(this.#carried.budget, LEAST_COST_BYTES)
    else this.#refuse('malformed_message', 'the first message shows no ticket')
  }

  #spend(budget: ByteBudget, bytes: number): void {
    const waitMs = budget.take(bytes, performance.now())
    if (waitMs > 0) this.#rest(waitMs)
  }

  #greet(data: Buffer, isBinary: boolean): void {
    const hello = isBinary ? undefined : detourHelloSchema.safeParse(parseJson(data)).data
    if (!hello) return this.#refuse('malformed_message', 'the first message shows no ticket')
    let place: DetourPlace
    try {
      place = this.#options.admission.admit(hello.ticket, {
        refused: ({ code, message }) => this.#end({ type: 'refused', code, message }),
        contractEnded: (reason) =>
          this.#end({ type: 'refused', code: 'contract_ended', message: `the contract is over: ${reason}` }),
        takenOver: () => this.close(),
      })
    } catch (error) {
      if (!(error instanceof CodedError)) throw error
      return this.#refuse(error.code, error.message)
    }
    this.#stack.use(place)
    const links = this.#stack.use(
      new LinkSockets(place.address, place.ports, (link, datagram) => this.#answer(link, datagram)),
    )
    const kbps = place.kbps * RATE_ROOM
    const burst = Math.max(LEAST_BURST_BYTES, (kbps / 8) * BURST_MS)
    this.#carried = { place, links, budget: new ByteBudget(kbps, burst, performance.now()) }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#silent(), SILENT_MS)
    this.#tell({ type: 'opened' })
  }

  /** A datagram of the stream's port. All that come in one turn of the event loop leave together. */
  #answer(link: number, datagram: Buffer): void {
    if (!this.#writer.add(link, datagram)) {
      this.#flush()
      this.#writer.add(link, datagram)
    }
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  /** Tells the sender which of its messages has arrived, with the datagrams for it. */
  #flush(): void {
    const message = this.#writer.take(this.#clock)
    if (this.#closed || this.#socket.readyState !== 1) return
    if (this.#socket.bufferedAmount > MAX_WAITING_BYTES) return this.#options.count('dropped', 1)
    this.#options.count('sent', message.length)
    this.#socket.send(message)
  }

  /** More came than the contract allows: the rest waits at the sender. */
  #rest(ms: number): void {
    if (this.#resume) return
    this.#socket.pause()
    this.#resume = setTimeout(() => {
      this.#resume = null
      this.#socket.resume()
    }, ms)
  }

  #silent(): void {
    this[Symbol.dispose]()
    this.#socket.terminate()
  }

  #faulty(tooLong: boolean): void {
    const stream = this.#carried?.place.stream ?? null
    if (tooLong)
      this.#options.events.rejected(stream, 'oversized_message', 'a message of a detour is too long')
    else
      this.#options.events.rejected(stream, 'malformed_message', 'what arrives for a detour is no WebSocket')
  }

  #refuse(code: string, message: string): void {
    this.#options.events.rejected(null, code, message)
    this.#end({ type: 'refused', code, message })
  }

  #end(answer: DetourAnswer): void {
    this.#tell(answer)
    this.#socket.close(POLICY_VIOLATION)
    this[Symbol.dispose]()
    setTimeout(() => this.#socket.terminate(), 1000).unref()
  }

  #tell(answer: DetourAnswer): void {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(answer))
  }
}

function parseJson(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch {
    return undefined
  }
}
