import { once } from 'node:events'
import { createConnection } from 'node:net'
import { messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import { backoffMs, pause } from '../../../common/retry.ts'
import { isNews, MOST_LINE_BYTES, type Position, positionIn, WATCH } from './gpsd-protocol.ts'

const GPSD_PORT = 2947
const BACKOFF = { initialMs: 500, maxMs: 60_000, factor: 2 }

export interface GpsdWatchOptions {
  readonly logger: Logger
  /** A position that is news, or null: none is known. */
  readonly moved: (position: Position | null) => void
  /** Of gpsd on this machine. */
  readonly port?: number
}

/** Follows where the device is, by the gpsd of this machine, until it is disposed of. */
export class GpsdWatch implements AsyncDisposable {
  readonly #options: GpsdWatchOptions
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #told: Position | null | undefined

  constructor(options: GpsdWatchOptions) {
    this.#options = options
    this.#tell(null)
    this.#running = this.#run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { logger } = this.#options
    const { signal } = this.#closing
    let before = ''
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const reason = await this.#follow(() => {
        attempt = 0
        before = ''
      }).catch(messageOf)
      if (signal.aborted) return
      this.#tell(null)
      if (reason !== before) logger.warn({ reason }, 'gpsd does not tell the position')
      before = reason
      await pause(backoffMs(BACKOFF, attempt), signal).catch(() => {})
    }
  }

  /** Reads until gpsd ends the connection. @returns why @throws Error where it can't be reached */
  async #follow(heard: () => void): Promise<string> {
    const { signal } = this.#closing
    const socket = createConnection({ host: '127.0.0.1', port: this.#options.port ?? GPSD_PORT, signal })
    await once(socket, 'connect', { signal })
    socket.setEncoding('utf8').write(WATCH)
    let rest = ''
    for await (const chunk of socket) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MOST_LINE_BYTES) throw new Error('gpsd says what is no line')
      for (const line of lines) {
        const position = positionIn(line, Date.now())
        if (position === undefined) continue
        heard()
        this.#tell(position)
      }
    }
    return 'gpsd closed the connection'
  }

  #tell(position: Position | null): void {
    if (!isNews(this.#told, position)) return
    this.#told = position
    this.#options.moved(position)
  }
}
