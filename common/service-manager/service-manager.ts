import { messageOf } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { NotifySocket } from './notify-socket.ts'

/** A sign of life comes this many times in the time that the manager waits: one or two may be late. */
const SIGNS = 4

/** What the hub tells whoever started it. */
export interface ServiceManager extends Disposable {
  /** The hub serves. From now on it gives signs of life, if the manager wants them. */
  ready(status: string): void
  /** The hub ends, which takes up to `withinMs`. */
  stopping(withinMs: number): void
}

const NOBODY: ServiceManager = { ready() {}, stopping() {}, [Symbol.dispose]() {} }

/**
 * Speaks with systemd (sd_notify(3), sd_watchdog_enabled(3)) where systemd started this process. The signs of life come
 * from a timer of the event loop: a hub whose loop stands still gives none, and is ended and started again. The
 * variables are taken out of `env`, because children must not speak for the hub.
 */
export async function openServiceManager(env: NodeJS.ProcessEnv, logger: Logger): Promise<ServiceManager> {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: watchdogUsec, WATCHDOG_PID: watchdogPid } = env
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  if (path === undefined || path === '') return NOBODY
  try {
    const { NotifySocket } = await import('./notify-socket.ts')
    const isForUs = watchdogPid === undefined || Number(watchdogPid) === process.pid
    const watchdogMs = isForUs ? Number(watchdogUsec ?? 0) / 1000 : 0
    return new SystemdManager(NotifySocket.open(path), watchdogMs > 0 ? watchdogMs : null, logger)
  } catch (error) {
    logger.warn({ reason: messageOf(error) }, 'the service manager can not be told of the hub')
    return NOBODY
  }
}

class SystemdManager implements ServiceManager {
  readonly #socket: NotifySocket
  readonly #watchdogMs: number | null
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #failed = false

  constructor(socket: NotifySocket, watchdogMs: number | null, logger: Logger) {
    this.#socket = socket
    this.#watchdogMs = watchdogMs
    this.#logger = logger
  }

  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${oneLine(status)}\nMAINPID=${process.pid}`)
    if (this.#watchdogMs === null) return
    this.#send('WATCHDOG=1')
    this.#timer = setInterval(() => this.#send('WATCHDOG=1'), this.#watchdogMs / SIGNS).unref()
  }

  stopping(withinMs: number): void {
    this.#send(`STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=${Math.round(withinMs * 1000)}`)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#socket[Symbol.dispose]()
  }

  #send(text: string): void {
    try {
      this.#socket.send(text)
      this.#failed = false
    } catch (error) {
      if (!this.#failed)
        this.#logger.warn({ reason: messageOf(error) }, 'the service manager does not listen')
      this.#failed = true
    }
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, 200)
}
