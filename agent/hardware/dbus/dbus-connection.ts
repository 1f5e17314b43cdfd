import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import {
  ANSWER,
  type DbusCall,
  type DbusMessage,
  decodeMessage,
  encodeCall,
  FAILURE,
  messageLength,
  SIGNAL,
} from './dbus-message.ts'
import type { DbusValue } from './dbus-values.ts'

/** Where the system bus listens, unless the environment names another place. */
const SYSTEM_BUS = 'unix:path=/run/dbus/system_bus_socket'
const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const
/** Longest wait for an answer, ms. ModemManager answers from memory. */
const ANSWER_MS = 10_000
/** The longest line of the bus while it asks who we are, bytes. */
const LINE_BYTES = 16_384

interface Waiting {
  readonly resolve: (body: readonly DbusValue[]) => void
  readonly reject: (error: Error) => void
}

/** The path of the system bus's socket. @throws Error for an address that is no Unix path */
export function systemBusPath(address = process.env['DBUS_SYSTEM_BUS_ADDRESS'] ?? SYSTEM_BUS): string {
  const [, path] = /(?:^|;)unix:(?:[^;]*,)?path=([^,;]+)/.exec(address) ?? []
  if (path === undefined) throw new Error(`the D-Bus address "${address}" has no path`)
  return decodeURIComponent(path)
}

/** A connection to a D-Bus, which asks and hears signals. */
export class DbusConnection implements Disposable {
  /** Resolves when the connection is over, with the reason. Pending after dispose. */
  readonly ended: Promise<string>
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #onSignal: (signal: DbusMessage) => void
  #bytes: Buffer = Buffer.alloc(0)
  #serial = 0
  #closed = false

  /**
   * @param onSignal hears signals that were asked for by {@link match}
   * @throws Error where nobody listens there, or we are not let in
   */
  static async open(
    path: string,
    onSignal: (signal: DbusMessage) => void,
    signal: AbortSignal,
  ): Promise<DbusConnection> {
    const socket = createConnection({ path })
    try {
      await once(socket, 'connect', { signal })
      const rest = await introduce(socket, signal)
      const connection = new DbusConnection(socket, onSignal, rest)
      await connection.call({ ...BUS, member: 'Hello' })
      return connection
    } catch (error) {
      socket.destroy()
      throw error
    }
  }

  private constructor(socket: Socket, onSignal: (signal: DbusMessage) => void, rest: Buffer) {
    this.#socket = socket
    this.#onSignal = onSignal
    const over = Promise.withResolvers<string>()
    this.ended = over.promise
    socket.on('error', (error) => this.#end(error.message, over.resolve))
    socket.on('close', () => this.#end('the bus closed the connection', over.resolve))
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    if (rest.length > 0) this.#take(rest)
    socket.resume()
  }

  /** Calls a method. @returns what the answer holds @throws Error of the answer, or where none comes in time */
  async call(call: DbusCall): Promise<readonly DbusValue[]> {
    if (this.#closed) throw new Error('the D-Bus connection is closed')
    this.#serial += 1
    const serial = this.#serial
    const { promise, resolve, reject } = Promise.withResolvers<readonly DbusValue[]>()
    const late = setTimeout(() => reject(new Error(`${call.destination} does not answer`)), ANSWER_MS)
    this.#waiting.set(serial, { resolve, reject })
    this.#socket.write(encodeCall(call, serial))
    try {
      return await promise
    } finally {
      clearTimeout(late)
      this.#waiting.delete(serial)
    }
  }

  /** Hears what fits a rule from now on, such as `type='signal',sender='…'`. @throws Error */
  async match(rule: string): Promise<void> {
    await this.call({ ...BUS, member: 'AddMatch', texts: [rule] })
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#socket.destroy()
    this.#failAll('the D-Bus connection is closed')
  }

  #take(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    try {
      for (;;) {
        const length = messageLength(this.#bytes)
        if (length === null || this.#bytes.length < length) return
        // A copy: where values stand counts from the message's start.
        const message = decodeMessage(this.#bytes.subarray(0, length))
        this.#bytes = this.#bytes.subarray(length)
        this.#hear(message)
      }
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #hear(message: DbusMessage): void {
    if (message.type === SIGNAL) return this.#onSignal(message)
    const waiting = message.answers === null ? undefined : this.#waiting.get(message.answers)
    if (message.type === ANSWER) waiting?.resolve(message.body)
    if (message.type !== FAILURE) return
    const [reason] = message.body
    waiting?.reject(new Error(typeof reason === 'string' ? reason : (message.error ?? 'no reason given')))
  }

  #end(reason: string, tell: (reason: string) => void): void {
    if (this.#closed) return
    this.#closed = true
    this.#failAll(reason)
    tell(reason)
  }

  #failAll(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason))
  }
}

/** Says who we are (D-Bus specification, "Authentication Protocol"): the kernel vouches for it. */
async function introduce(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  const user = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex')
  socket.write(`\0AUTH EXTERNAL ${user}\r\n`)
  let said: Buffer = Buffer.alloc(0)
  for (;;) {
    const [chunk] = (await Promise.race([
      once(socket, 'data', { signal }),
      once(socket, 'end', { signal }).then(() => Promise.reject(new Error('the bus closed the connection'))),
    ])) as [Buffer]
    socket.pause()
    said = Buffer.concat([said, chunk])
    const end = said.indexOf('\r\n')
    if (end >= 0) {
      const line = said.toString('latin1', 0, end)
      if (!line.startsWith('OK ')) throw new Error(`the bus does not let us in: ${line}`)
      socket.write('BEGIN\r\n')
      return said.subarray(end + 2)
    }
    if (said.length > LINE_BYTES) throw new Error('this is no D-Bus')
    socket.resume()
  }
}
