import { randomBytes } from 'node:crypto'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Endpoint } from '../../common/net/endpoint.ts'
import { Frames } from '../../common/stun/frames.ts'
import { type Integrity, integrityOf, longTermKey, proves } from '../../common/stun/integrity.ts'
import { readXorAddress } from '../../common/stun/stun-address.ts'
import { StunMessage } from '../../common/stun/stun-message.ts'
import { ATTRIBUTE, CLASS, METHOD } from '../../common/stun/stun-types.ts'
import { StunWriter } from '../../common/stun/stun-writer.ts'

/** No answer within this is none, where one is expected. */
const ANSWER_MS = 8000
/** Where none is. */
export const SILENCE_MS = 400

export interface TurnUserOptions {
  readonly username: string
  readonly password: string
}

/** What arrived from a peer. */
export interface FromPeer {
  readonly peer: string | null
  readonly channel: number | null
  readonly data: Buffer
}

interface Wire {
  readonly send: (bytes: Uint8Array) => void
  readonly close: () => Promise<void>
  readonly socket?: Socket
}

/** A TURN client that does what it is told, right or wrong. One 5-tuple. */
export class TurnClient implements AsyncDisposable {
  realm = ''
  nonce = ''
  /** Of answers with a key, whether their proof was right. */
  unproved = 0
  readonly received: FromPeer[] = []
  /** Everything that arrived, frame by frame. */
  readonly frames: Buffer[] = []
  /** Whether the server closed the connection. */
  closed = false
  #wire!: Wire
  readonly #waiting = new Map<string, (message: StunMessage) => void>()
  #user: TurnUserOptions | null
  #integrity: Integrity = 'sha1'
  #key: Buffer | null = null

  private constructor(user: TurnUserOptions | null) {
    this.#user = user
  }

  static async udp(
    { ip, port }: { ip: string; port: number },
    user: TurnUserOptions | null = null,
  ): Promise<TurnClient> {
    const client = new TurnClient(user)
    const socket: UdpSocket = createSocket(ip.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (bytes) => client.#heard(bytes))
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.connect(port, ip === '0.0.0.0' ? '127.0.0.1' : ip, resolve))
    client.#wire = {
      send: (bytes) => socket.send(bytes),
      close: () => new Promise((resolve) => socket.close(() => resolve())),
    }
    return client
  }

  static async tcp(
    { ip, port }: { ip: string; port: number },
    user: TurnUserOptions | null = null,
    secure = false,
    protocols: readonly string[] = ['stun.turn'],
  ): Promise<TurnClient> {
    const client = new TurnClient(user)
    const socket: Socket = secure
      ? connectTls({ host: ip, port, rejectUnauthorized: false, ALPNProtocols: [...protocols] })
      : connectTcp({ host: ip, port, noDelay: true })
    const frames = new Frames()
    const hear = (frame: Buffer): true => {
      client.#heard(Buffer.from(frame))
      return true
    }
    socket.on('data', (chunk: Buffer) => frames.read(chunk, hear))
    socket.on('error', () => {})
    socket.once('close', () => {
      client.closed = true
    })
    await once(socket, secure ? 'secureConnect' : 'connect')
    client.#wire = {
      socket,
      send: (bytes) => socket.write(bytes),
      close: async () => {
        if (socket.closed) return
        socket.destroy()
        await once(socket, 'close')
      },
    }
    return client
  }

  /** By whatever `send` does; what arrives is told by `hear`. */
  static over(send: (bytes: Uint8Array) => void, user: TurnUserOptions | null): TurnClient {
    const client = new TurnClient(user)
    client.#wire = { send, close: async () => {} }
    return client
  }

  hear(bytes: Buffer): void {
    this.#heard(bytes)
  }

  get localPort(): number | undefined {
    return this.#wire.socket?.localPort
  }

  /** Reads nothing of its stream until {@link resume}. */
  pause(): void {
    this.#wire.socket?.pause()
  }

  resume(): void {
    this.#wire.socket?.resume()
  }

  /** Proves requests so from now on. */
  use(integrity: Integrity): this {
    this.#integrity = integrity
    return this
  }

  /** Does something as another user, or as nobody. */
  async as<Result>(user: TurnUserOptions | null, act: () => Promise<Result>): Promise<Result> {
    const own = this.#user
    this.#user = user
    const result = await act()
    this.#user = own
    return result
  }

  /** Does something with another key. */
  async by<Result>(key: Buffer, act: () => Promise<Result>): Promise<Result> {
    this.#key = key
    const result = await act()
    this.#key = null
    return result
  }

  raw(bytes: Uint8Array): void {
    this.#wire.send(bytes)
  }

  /** A request with the attributes that `fill` adds and, with a realm, the proof. @returns null without an answer */
  async request(
    method: number,
    fill: (writer: StunWriter) => void = () => {},
    withinMs = ANSWER_MS,
  ): Promise<StunMessage | null> {
    const transaction = randomBytes(12)
    return this.exchange(this.write(method, fill, transaction), transaction, withinMs)
  }

  /** Sends bytes, and resolves with the answer of this transaction. */
  async exchange(bytes: Uint8Array, transaction: Buffer, withinMs = ANSWER_MS): Promise<StunMessage | null> {
    const answer = Promise.withResolvers<StunMessage | null>()
    const key = transaction.toString('hex')
    this.#waiting.set(key, answer.resolve)
    this.#wire.send(bytes)
    const timer = setTimeout(() => answer.resolve(null), withinMs)
    const message = await answer.promise
    clearTimeout(timer)
    this.#waiting.delete(key)
    if (message && this.realm && integrityOf(message) && !proves(message, integrityOf(message)!, this.key))
      this.unproved += 1
    return message
  }

  write(method: number, fill: (writer: StunWriter) => void, transaction: Buffer = randomBytes(12)): Buffer {
    const bytes = Buffer.alloc(2048)
    const writer = new StunWriter(bytes, 0, method, transaction)
    fill(writer)
    if (this.#user && this.realm && (method & CLASS.mask) === CLASS.request) {
      writer.text(ATTRIBUTE.username, this.#user.username)
      writer.text(ATTRIBUTE.realm, this.realm).text(ATTRIBUTE.nonce, this.nonce)
      writer.integrity(this.#integrity, this.key)
    }
    return bytes.subarray(0, writer.length)
  }

  get key(): Buffer {
    if (this.#key) return this.#key
    return longTermKey('md5', this.#user?.username ?? '', this.realm, this.#user?.password ?? '')
  }

  /** Asks without proof, and keeps realm and nonce of the 401. */
  async challenge(withinMs = ANSWER_MS): Promise<StunMessage | null> {
    const answer = await this.as(null, () => this.request(METHOD.allocate, udpTransport, withinMs))
    if (answer) this.learn(answer)
    return answer
  }

  learn(answer: StunMessage): void {
    this.realm = answer.text(ATTRIBUTE.realm) ?? this.realm
    this.nonce = answer.text(ATTRIBUTE.nonce) ?? this.nonce
  }

  /** The whole way to an allocation. @returns its relayed address @throws with the error's code */
  async allocate(fill: (writer: StunWriter) => void = () => {}): Promise<Endpoint> {
    await this.challenge()
    const answer = await this.request(METHOD.allocate, (writer) => {
      udpTransport(writer)
      fill(writer)
    })
    if (codeOf(answer) !== 0) throw new Error(`allocate: ${codeOf(answer)}`)
    return addressOf(answer!, ATTRIBUTE.xorRelayedAddress)!
  }

  permit(...peers: readonly Endpoint[]): Promise<StunMessage | null> {
    return this.request(METHOD.createPermission, (writer) => {
      for (const peer of peers) writer.address(ATTRIBUTE.xorPeerAddress, peer)
    })
  }

  bind(channel: number, peer: Endpoint): Promise<StunMessage | null> {
    return this.request(METHOD.channelBind, (writer) =>
      writer.uint32(ATTRIBUTE.channelNumber, channel * 65_536).address(ATTRIBUTE.xorPeerAddress, peer),
    )
  }

  refresh(lifetime: number): Promise<StunMessage | null> {
    return this.request(METHOD.refresh, (writer) => writer.uint32(ATTRIBUTE.lifetime, lifetime))
  }

  send(peer: Endpoint, data: Uint8Array, fill: (writer: StunWriter) => void = () => {}): void {
    const write = (writer: StunWriter) => {
      writer.address(ATTRIBUTE.xorPeerAddress, peer)
      fill(writer)
      writer.add(ATTRIBUTE.data, data)
    }
    this.#wire.send(this.write(METHOD.send | CLASS.indication, write))
  }

  sendChannel(channel: number, data: Uint8Array): void {
    this.#wire.send(channelData(channel, data))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#wire.close()
  }

  #heard(bytes: Buffer): void {
    this.frames.push(bytes)
    if (bytes.length >= 4 && (bytes[0]! & 0xc0) === 0x40) {
      const data = bytes.subarray(4, 4 + bytes.readUInt16BE(2))
      this.received.push({ peer: null, channel: bytes.readUInt16BE(0), data })
      return
    }
    const message = StunMessage.read(bytes, 0, bytes.length)
    if (!message) return
    if (message.class !== CLASS.indication)
      return this.#waiting.get(message.transaction.toString('hex'))?.(message)
    const peer = addressOf(message, ATTRIBUTE.xorPeerAddress)
    const data = message.value(ATTRIBUTE.data)
    if (peer && data) this.received.push({ peer: peer.toString(), channel: null, data })
  }
}

export function udpTransport(writer: StunWriter): void {
  writer.add(ATTRIBUTE.requestedTransport, Buffer.of(17, 0, 0, 0))
}

/** Padded, as streams need it, and UDP allows. */
export function channelData(channel: number, data: Uint8Array): Buffer {
  const frame = Buffer.alloc(4 + Math.ceil(data.length / 4) * 4)
  frame.writeUInt16BE(channel, 0)
  frame.writeUInt16BE(data.length, 2)
  frame.set(data, 4)
  return frame
}

/** Code of an error, 0 for success, -1 without an answer. */
export function codeOf(answer: StunMessage | null): number {
  if (!answer) return -1
  return answer.error?.code ?? (answer.class === CLASS.success ? 0 : -1)
}

export function addressOf(message: StunMessage, type: number): Endpoint | null {
  const found = message.find(type)
  return found ? readXorAddress(message.bytes, message.start, found.at, found.length) : null
}
