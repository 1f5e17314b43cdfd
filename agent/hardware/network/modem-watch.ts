import { messageOf } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import { backoffMs, pause } from '../../../common/retry.ts'
import { Coalesced } from '../coalesced.ts'
import { DbusConnection, systemBusPath } from '../dbus/dbus-connection.ts'
import type { ModemFact } from './interfaces.ts'
import { interfaceOfBearer, modemsOf } from './modem-facts.ts'

const MODEM_MANAGER = 'org.freedesktop.ModemManager1'
const PATH = '/org/freedesktop/ModemManager1'
/** A board without a bus is asked again now and then: somebody may install ModemManager. */
const BACKOFF = { initialMs: 500, maxMs: 60_000, factor: 2 }
/** A modem that wakes up changes a dozen properties, ms. */
const SETTLES_MS = 100
/** Connections of one modem that are looked at. */
const MOST_BEARERS = 8
/** What modems there are, what is told of them, and ModemManager's own coming and going. */
const RULES = [
  `type='signal',sender='${MODEM_MANAGER}',interface='org.freedesktop.DBus.ObjectManager'`,
  `type='signal',sender='${MODEM_MANAGER}',interface='org.freedesktop.DBus.Properties'`,
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${MODEM_MANAGER}'`,
]

export interface ModemWatchOptions {
  readonly logger: Logger
  /** The facts may be others. Not called for what is the same. */
  readonly changed: () => void
  /** Path of the bus's socket. */
  readonly bus?: string
}

/**
 * Knows modems by ModemManager on the system bus, from which every change comes as a signal. Where there is no bus or no
 * ModemManager, nothing is known of modems.
 */
export class ModemWatch implements AsyncDisposable {
  readonly #options: ModemWatchOptions
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #modems: ReadonlyMap<string, ModemFact> = new Map()

  constructor(options: ModemWatchOptions) {
    this.#options = options
    this.#running = this.#run()
  }

  /** By the names of the interfaces that they bring. */
  get modems(): ReadonlyMap<string, ModemFact> {
    return this.#modems
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
      this.#know(new Map())
      if (reason !== before) logger.info({ reason }, 'nothing is known of modems')
      before = reason
      await pause(backoffMs(BACKOFF, attempt), signal).catch(() => {})
    }
  }

  /** Follows the bus until it goes away. @returns why */
  async #follow(connected: () => void): Promise<string> {
    const { signal } = this.#closing
    const path = this.#options.bus ?? systemBusPath()
    // It outlives the connection: what it is doing then fails, and tells nobody.
    await using look = new Coalesced(SETTLES_MS, () => this.#look(bus))
    using bus: DbusConnection = await DbusConnection.open(path, () => look.ask(), signal)
    for (const rule of RULES) await bus.match(rule)
    connected()
    await look.now()
    const { promise, resolve } = Promise.withResolvers<string>()
    signal.addEventListener('abort', () => resolve('closed'), { once: true })
    return await Promise.race([bus.ended, promise])
  }

  async #look(bus: DbusConnection): Promise<void> {
    try {
      const [managed] = await bus.call({
        destination: MODEM_MANAGER,
        path: PATH,
        interface: 'org.freedesktop.DBus.ObjectManager',
        member: 'GetManagedObjects',
      })
      const known = new Map<string, ModemFact>()
      for (const { fact, interfaces, bearers } of modemsOf(managed)) {
        const more = await Promise.all(bearers.slice(0, MOST_BEARERS).map((one) => interfaceOf(bus, one)))
        for (const name of [...interfaces, ...more]) if (name !== null) known.set(name, fact)
      }
      this.#know(known)
    } catch (error) {
      // It is not running, or it just ended: its coming is a signal.
      this.#options.logger.debug({ reason: messageOf(error) }, 'ModemManager does not answer')
      this.#know(new Map())
    }
  }

  #know(modems: ReadonlyMap<string, ModemFact>): void {
    if (JSON.stringify([...modems]) === JSON.stringify([...this.#modems])) return
    this.#modems = modems
    if (!this.#closing.signal.aborted) this.#options.changed()
  }
}

/** null for a connection that is over. */
async function interfaceOf(bus: DbusConnection, bearer: string): Promise<string | null> {
  try {
    const [properties] = await bus.call({
      destination: MODEM_MANAGER,
      path: bearer,
      interface: 'org.freedesktop.DBus.Properties',
      member: 'GetAll',
      texts: ['org.freedesktop.ModemManager1.Bearer'],
    })
    return interfaceOfBearer(properties)
  } catch {
    return null
  }
}
