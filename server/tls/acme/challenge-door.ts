import type { Server } from 'node:http'
import { messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { SocketAddress } from '../../config/setting.ts'
import { type ChallengeListenerOptions, challengeServer } from './challenge-listener.ts'

/** How often to try a port that another program has, ms. */
const AGAIN_MS = 30_000

export interface ChallengeDoorOptions extends ChallengeListenerOptions {
  readonly address: SocketAddress
  readonly logger: Logger
  readonly againMs?: number
}

/** Port 80, as long as it can be had. A hub without it runs all the same. */
export class ChallengeDoor implements AsyncDisposable {
  readonly #options: ChallengeDoorOptions
  #server: Server | null = null
  #again: NodeJS.Timeout | undefined
  #closed = false

  private constructor(options: ChallengeDoorOptions) {
    this.#options = options
  }

  /** Resolves after the first try, whatever came of it. */
  static async open(options: ChallengeDoorOptions): Promise<ChallengeDoor> {
    const door = new ChallengeDoor(options)
    await door.#try(true)
    return door
  }

  /** The port that listens; null where it can't be had. */
  get port(): number | null {
    const address = this.#server?.address() ?? null
    return address !== null && typeof address === 'object' ? address.port : null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#again)
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  async #try(first: boolean): Promise<void> {
    const { address, logger, againMs = AGAIN_MS } = this.#options
    const { host, port } = address
    const server = challengeServer(this.#options)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, resolve)
      })
    } catch (error) {
      if (first)
        logger.warn({ host, port, reason: reasonOf(error) }, "http-01 can't be answered: no port for it")
      if (!this.#closed) this.#again = setTimeout(() => void this.#try(false), againMs).unref()
      return
    }
    // A connection that fails later concerns nobody else.
    server.on('error', () => {})
    if (this.#closed) return void server.close()
    this.#server = server
    logger.info({ host, port: this.port }, 'challenges of the public CA are answered here')
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (code === 'EADDRINUSE') return 'another program has that port: stop it, or give TLS_ACME_HTTP another'
  if (code === 'EACCES')
    return 'ports below 1024 need the right to them: AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or net.ipv4.ip_unprivileged_port_start=80'
  return messageOf(error)
}
