import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { z } from 'zod'
import { type HubNotifications, type JoinAnswer, joinAnswer } from '../../common/wire/viewer-protocol.ts'

const TEXT = 0x81
const CLOSE = 0x88

const message = z.looseObject({
  response: z.boolean().optional(),
  ok: z.boolean().optional(),
  errorReason: z.string().optional(),
  method: z.string().optional(),
  data: z.unknown().optional(),
})
const welcomeData = z.object({ router_rtp_capabilities: z.looseObject({}) })

/**
 * A viewer that joins and then does nothing: no media, no answer to anything, not even to pings. The hub does for it
 * everything that it does for a viewer by itself, at next to no cost for the test.
 */
export class BareViewer {
  /** What the hub answered to its join. */
  readonly joined: Promise<JoinAnswer>
  readonly closed: Promise<unknown>
  readonly #socket: Socket
  readonly #joined = Promise.withResolvers<JoinAnswer>()
  #bytes = Buffer.alloc(0)
  #upgraded = false

  private constructor(socket: Socket, ticket: string) {
    this.#socket = socket
    this.joined = this.#joined.promise
    this.closed = once(socket, 'close')
    socket.on('error', () => {})
    socket.on('close', () => this.#joined.reject(new Error('the hub closed the connection')))
    this.joined.catch(() => {})
    socket.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
      for (const text of this.#frames()) this.#heard(text, ticket)
    })
  }

  /** Connects; `joined` tells how its join ends. */
  static async open(hubUrl: string, ticket: string): Promise<BareViewer> {
    const { hostname, port, host } = new URL(hubUrl)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const viewer = new BareViewer(socket, ticket)
    const key = randomBytes(16).toString('base64')
    const lines = ['GET /protoo HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket']
    lines.push(`Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: protoo')
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    return viewer
  }

  /** Says goodbye as RFC 6455 section 7 demands. */
  leave(): void {
    this.#send(CLOSE, Buffer.from([0x03, 0xe8]))
    this.#socket.end()
  }

  /** Vanishes from one moment to the next. */
  vanish(): void {
    this.#socket.resetAndDestroy()
  }

  #heard(text: string, ticket: string): void {
    const { method, data, response, ok, errorReason } = message.parse(JSON.parse(text))
    if (method === ('welcome' satisfies keyof HubNotifications)) {
      const { router_rtp_capabilities } = welcomeData.parse(data)
      const join = { ticket, rtp_capabilities: router_rtp_capabilities }
      this.#send(TEXT, Buffer.from(JSON.stringify({ request: true, id: 1, method: 'join', data: join })))
    } else if (response && ok) this.#joined.resolve(joinAnswer.parse(data))
    else if (response) this.#joined.reject(new Error(errorReason))
  }

  /** Complete text frames; the hub fragments nothing (RFC 6455 section 5.2). */
  *#frames(): Generator<string> {
    if (!this.#upgraded) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#upgraded = true
      this.#bytes = this.#bytes.subarray(end + 4)
    }
    for (;;) {
      if (this.#bytes.length < 2) return
      const short = this.#bytes[1]! & 0x7f
      const header = short === 126 ? 4 : short === 127 ? 10 : 2
      if (this.#bytes.length < header) return
      const length =
        short === 126
          ? this.#bytes.readUInt16BE(2)
          : short === 127
            ? Number(this.#bytes.readBigUInt64BE(2))
            : short
      if (this.#bytes.length < header + length) return
      const [type, payload] = [this.#bytes[0]!, this.#bytes.subarray(header, header + length)]
      this.#bytes = this.#bytes.subarray(header + length)
      if (type === TEXT) yield payload.toString()
    }
  }

  #send(type: number, payload: Buffer): void {
    const mask = randomBytes(4)
    const masked = payload.map((byte, index) => byte ^ mask[index % 4]!)
    const length = Buffer.alloc(payload.length < 126 ? 2 : 4)
    length[0] = type
    length[1] = 0x80 | Math.min(payload.length, 126)
    if (payload.length >= 126) length.writeUInt16BE(payload.length, 2)
    this.#socket.write(Buffer.concat([length, mask, masked]))
  }
}
