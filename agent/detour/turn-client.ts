import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { CodedError } from '../../common/errors.ts'
import type { Endpoint } from '../../common/net/endpoint.ts'
import { Frames } from '../../common/stun/frames.ts'
import { longTermKey, proves } from '../../common/stun/integrity.ts'
import { StunMessage } from '../../common/stun/stun-message.ts'
import {
  ATTRIBUTE,
  CHANNEL,
  CHANNEL_HEADER_BYTES,
  CLASS,
  isChannel,
  METHOD,
  padded,
  TRANSPORT_UDP,
} from '../../common/stun/stun-types.ts'
import { StunWriter } from '../../common/stun/stun-writer.ts'
import type { TurnServerAddress } from './turn-url.ts'

/** Longest wait for the connection, ms: a firewall that drops packets answers nothing, and another way may work. */
const CONNECT_WITHIN_MS = 1500
/** Longest wait for an answer, ms. Over TCP a lost request is sent again by the kernel. */
const ANSWER_WITHIN_MS = 5000
/** Enough for a request with all its attributes: user name, realm and nonce may have some hundred bytes each. */
const REQUEST_BYTES = 2048
/** Codes of errors with which a server gives a new nonce, RFC 8489 section 9.2.4. */
const UNAUTHORIZED = 401
const STALE_NONCE = 438
/** Most requests that wait for their answer. */
const MAX_WAITING = 64

/**
 * A TURN client over TCP or TLS (RFC 8656) with one allocation, which sends by channels. Each channel is bound to a peer.
 * A server that answers nonsense is closed.
 */
export class TurnClient implements Disposable {
  readonly #socket: Socket
  readonly #server: TurnServerAddress
  readonly #frames = new Frames()
  readonly #waiting = new Map<string, (message: StunMessage | null) => void>()
  readonly #heard: (channel: number, datagram: Buffer) => void
  readonly #over: () => void
  #realm = ''
  #nonce = ''
  #roundTripMs = Number.POSITIVE_INFINITY
  #closed = false

  /**
   * Connects and allocates.
   * @param heard a datagram of the peer of a channel, counted from 0; valid only during the call
   * @param over the connection is over, and was not closed by us
   * @throws CodedError `detour_lost` with the server's reason
   */
  static async open(
    server: TurnServerAddress,
    heard: (channel: number, datagram: Buffer) => void,
    over: () => void,
    signal: AbortSignal,
  ): Promise<TurnClient> {
    const { host, port, secure } = server
    const socket = secure
      ? connectTls({
          host,
          port,
          ...(isIP(host) === 0 && { servername: host }),
          ALPNProtocols: ['stun.turn'],
        })
      : connectTcp({ host, port })
    socket.setNoDelay(true)
    const client = new TurnClient(socket, server, heard, over)
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_WITHIN_MS)])
      await once(socket, secure ? 'secureConnect' : 'connect', { signal: within })
      await client.#request(METHOD.allocate, (writer) =>
        writer.uint32(ATTRIBUTE.requestedTransport, TRANSPORT_UDP << 24),
      )
      return client
    } catch (cause) {
      client[Symbol.dispose]()
      if (cause instanceof CodedError) throw cause
      throw new CodedError('detour_lost', `the TURN server ${host}:${port} does not answer`, { cause })
    }
  }

  private constructor(
    socket: Socket,
    server: TurnServerAddress,
    heard: (channel: number, datagram: Buffer) => void,
    over: () => void,
  ) {
    this.#socket = socket
    this.#server = server
    this.#heard = heard
    this.#over = over
    socket.on('error', () => {}) // 'close' tells.
    socket.on('close', () => this.#end(true))
    socket.on('data', (chunk: Buffer) => {
      if (!this.#frames.read(chunk, (frame) => this.#take(frame))) socket.destroy()
    })
  }

  /** Of the quickest answer so far, ms. */
  get roundTripMs(): number {
    return this.#roundTripMs
  }

  /** Of the connection, for its queues. */
  get socket(): Socket {
    return this.#socket
  }

  /** Binds a channel to a peer, or keeps it bound: for ten minutes. The permission for the peer comes with it. */
  async bind(channel: number, peer: Endpoint): Promise<void> {
    await this.#request(METHOD.channelBind, (writer) =>
      writer
        .uint32(ATTRIBUTE.channelNumber, (CHANNEL.first + channel) << 16)
        .address(ATTRIBUTE.xorPeerAddress, peer),
    )
  }

  /** Keeps the allocation for further ten minutes. */
  async refresh(): Promise<void> {
    await this.#request(METHOD.refresh, () => {})
  }

  /** ChannelData, RFC 8656 section 12.5: padded to 4 bytes over a stream. */
  send(channel: number, datagram: Uint8Array): number {
    const bytes = Buffer.alloc(CHANNEL_HEADER_BYTES + padded(datagram.length))
    bytes.writeUInt16BE(CHANNEL.first + channel, 0)
    bytes.writeUInt16BE(datagram.length, 2)
    bytes.set(datagram, CHANNEL_HEADER_BYTES)
    if (this.#socket.writable) this.#socket.write(bytes)
    return bytes.length
  }

  [Symbol.dispose](): void {
    this.#end(false)
    // The allocation ends with its connection, RFC 8656 section 3.1.
    this.#socket.destroy()
  }

  #end(lost: boolean): void {
    if (this.#closed) return
    this.#closed = true
    for (const resolve of this.#waiting.values()) resolve(null)
    this.#waiting.clear()
    if (lost) this.#over()
  }

  #take(frame: Buffer): boolean {
    const first = frame.readUInt16BE(0)
    if (isChannel(first)) {
      const length = frame.readUInt16BE(2)
      if (CHANNEL_HEADER_BYTES + length <= frame.length)
        this.#heard(
          first - CHANNEL.first,
          frame.subarray(CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + length),
        )
      return !this.#closed
    }
    // The message outlives the call: its reader waits for it.
    const bytes = Buffer.from(frame)
    const message = StunMessage.read(bytes, 0, bytes.length)
    if (message) this.#waiting.get(message.transaction.toString('hex'))?.(message)
    return !this.#closed
  }

  /** One request with its proof. The first answer gives realm and nonce, later ones may give a new nonce. */
  async #request(method: number, fill: (writer: StunWriter) => void): Promise<StunMessage> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const answer = await this.#exchange(method, fill)
      if ((answer.method | 0) === method && answer.class === CLASS.success) {
        if (this.#realm !== '' && !proves(answer, 'sha1', this.#key))
          throw lost('its answer has no good proof')
        return answer
      }
      const { code, reason } = answer.error ?? { code: 0, reason: 'no reason' }
      const nonce = answer.text(ATTRIBUTE.nonce)
      const mayRetry = (code === UNAUTHORIZED && this.#nonce === '') || code === STALE_NONCE
      if (!mayRetry || nonce === null) throw lost(`it refuses: ${code} ${reason}`)
      this.#realm = answer.text(ATTRIBUTE.realm) ?? this.#realm
      this.#nonce = nonce
    }
    throw lost('it takes no nonce of its own')
  }

  async #exchange(method: number, fill: (writer: StunWriter) => void): Promise<StunMessage> {
    if (this.#closed || this.#waiting.size >= MAX_WAITING) throw lost('the connection is over')
    const transaction = randomBytes(12)
    const bytes = Buffer.alloc(REQUEST_BYTES)
    const writer = new StunWriter(bytes, 0, method | CLASS.request, transaction)
    fill(writer)
    if (this.#nonce !== '') {
      writer.text(ATTRIBUTE.username, this.#server.username)
      writer.text(ATTRIBUTE.realm, this.#realm).text(ATTRIBUTE.nonce, this.#nonce)
      writer.integrity('sha1', this.#key)
    }
    const key = transaction.toString('hex')
    const { promise, resolve } = Promise.withResolvers<StunMessage | null>()
    this.#waiting.set(key, resolve)
    const timer = setTimeout(() => resolve(null), ANSWER_WITHIN_MS)
    this.#socket.write(bytes.subarray(0, writer.length))
    const from = performance.now()
    const answer = await promise
    this.#roundTripMs = Math.min(this.#roundTripMs, performance.now() - from)
    clearTimeout(timer)
    this.#waiting.delete(key)
    if (!answer) throw lost('it does not answer')
    return answer
  }

  get #key(): Buffer {
    return longTermKey('md5', this.#server.username, this.#realm, this.#server.password)
  }
}

function lost(why: string): CodedError {
  return new CodedError('detour_lost', `the TURN server can't be used: ${why}`)
}
