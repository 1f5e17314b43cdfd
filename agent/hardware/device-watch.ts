import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { NodeConfig } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { readAgentFacts } from './agent-facts.ts'
import { Coalesced } from './coalesced.ts'
import { probeEncoders } from './encoders/encoder-probe.ts'
import { DeviceEvents } from './media/device-events.ts'
import { namedInputs, TEST_CARD } from './media/media-inputs.ts'
import { readSoundInputs } from './media/sound-inputs.ts'
import { readVideoInputs } from './media/video-inputs.ts'
import { Interfaces } from './network/interfaces.ts'
import { ModemWatch } from './network/modem-watch.ts'
import { type NetworkState, NO_NETWORK, RouteWatch } from './network/route-watch.ts'
import { GpsdWatch } from './position/gpsd-watch.ts'
import { SystemReader } from './system-facts.ts'
import { SYSTEM_ROOTS, type SystemRoots } from './system-roots.ts'
import { PtpWatch } from './timing/ptp-watch.ts'
import { timestampingOf } from './timing/timestamping.ts'
import { timingOf } from './timing/timing-facts.ts'

/** Events of one change come in bursts: what is plugged in is looked at when it has settled, ms. */
const NETWORK_SETTLES_MS = 50
const INPUTS_SETTLE_MS = 150
/** As many as a report takes. */
const MOST_INPUTS = 64
/** Load and heat have no events. A look costs a few small files, ms. */
const SYSTEM_EVERY_MS = 10_000

export interface DeviceWatchOptions {
  readonly logger: Logger
  /** The configuration that holds now. */
  readonly config: () => Pick<NodeConfig, 'uplinks' | 'not_uplinks' | 'position' | 'broadcasts'>
  /** Sections that changed after `open` was resolved, each whole. */
  readonly onChange: (sections: NodeReport) => void
  /** Version of the agent. */
  readonly version?: string
  /** A folder on the disk that is reported. */
  readonly disk?: string
  readonly roots?: SystemRoots
  readonly probe?: typeof probeEncoders
  /** Encoders that broadcasts use now: what is in use works, though it may be too busy for a trial. */
  readonly inUse?: () => readonly string[]
  /** Path of the D-Bus socket where ModemManager is. */
  readonly bus?: string
  /** Port of gpsd on this machine. */
  readonly gpsdPort?: number
  /** Paths where ptp4l may listen. */
  readonly ptpSockets?: readonly string[]
}

/**
 * Knows the device: its interfaces, inputs, encoders and load. It hears of changes by events of the kernel, and tells each
 * section that is another than before.
 */
export class DeviceWatch implements AsyncDisposable {
  readonly #options: DeviceWatchOptions
  readonly #roots: SystemRoots
  readonly #closing = new AbortController()
  readonly #owned = new AsyncDisposableStack()
  readonly #interfaces: Interfaces
  readonly #system: SystemReader
  readonly #encoders: Coalesced
  readonly #network: Coalesced
  readonly #inputs: Coalesced
  #routes: RouteWatch | null = null
  #modems: ModemWatch | null = null
  #ptp: PtpWatch | null = null
  #gpsd: GpsdWatch | null = null
  #report: NodeReport = {}
  #opened = false

  /**
   * Resolves once everything is known that needs no trial: encoders come as a change, because trying them takes seconds.
   * @throws Error where the kernel gives no netlink socket
   */
  static async open(options: DeviceWatchOptions): Promise<DeviceWatch> {
    const watch = new DeviceWatch(options)
    try {
      await watch.#open()
      return watch
    } catch (error) {
      await watch[Symbol.asyncDispose]()
      throw error
    }
  }

  private constructor(options: DeviceWatchOptions) {
    this.#options = options
    this.#roots = options.roots ?? SYSTEM_ROOTS
    this.#interfaces = new Interfaces(this.#roots)
    this.#system = new SystemReader(this.#roots, options.disk ?? '/')
    this.#network = this.#owned.use(new Coalesced(NETWORK_SETTLES_MS, () => this.#lookAtNetwork()))
    this.#inputs = this.#owned.use(new Coalesced(INPUTS_SETTLE_MS, () => this.#lookAtInputs()))
    this.#encoders = this.#owned.use(new Coalesced(0, () => this.#tryEncoders()))
  }

  /** Every section that is known. */
  get report(): NodeReport {
    return this.#report
  }

  /** Tries all encoders again. What they can do now comes as a change, before this resolves. */
  probeEncoders(): Promise<void> {
    return this.#encoders.now()
  }

  /** The configuration's uplinks, sources or position may be others. */
  async reconfigured(): Promise<void> {
    this.#inputs.ask()
    this.#followPosition()
    await this.#network.now()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#gpsd?.[Symbol.asyncDispose]()
    await this.#owned.disposeAsync()
  }

  async #open(): Promise<void> {
    const { logger, version = '0.0.0', bus, ptpSockets } = this.#options
    const system = this.#owned.use(new Coalesced(0, () => this.#lookAtSystem()))
    this.#routes = this.#owned.use(new RouteWatch(logger, () => this.#network.ask()))
    this.#modems = this.#owned.use(
      new ModemWatch({ logger, changed: () => this.#network.ask(), ...(bus !== undefined && { bus }) }),
    )
    this.#ptp = this.#owned.use(new PtpWatch(() => this.#network.ask(), ptpSockets))
    this.#owned.use(new DeviceEvents(() => this.#inputs.ask()))
    this.#report = { agent: await readAgentFacts(version, this.#roots) }
    await Promise.all([this.#network.now(), this.#inputs.now(), system.now()])
    const looking = setInterval(() => system.ask(), SYSTEM_EVERY_MS)
    this.#owned.defer(() => clearInterval(looking))
    this.#followPosition()
    this.#opened = true
    this.#encoders.ask()
  }

  /** The device tells where it is only while its configuration says so. */
  #followPosition(): void {
    const { logger, config, gpsdPort } = this.#options
    if (this.#closing.signal.aborted || config().position === (this.#gpsd !== null)) return
    if (this.#gpsd === null) {
      const moved = (position: NodeReport['position']): void => void this.#section('position', () => position)
      this.#gpsd = new GpsdWatch({ logger, moved, ...(gpsdPort !== undefined && { port: gpsdPort }) })
      return
    }
    void this.#gpsd[Symbol.asyncDispose]()
    this.#gpsd = null
    void this.#section('position', () => null)
  }

  async #lookAtNetwork(): Promise<void> {
    let state: NetworkState = NO_NETWORK
    await this.#section('interfaces', () => {
      state = this.#routes!.read()
      return [...this.#interfaces.describe(state, this.#options.config(), this.#modems!.modems)]
    })
    const wired = new Set(
      this.#report.interfaces?.filter(({ kind }) => kind === 'wired').map(({ name }) => name),
    )
    await this.#section('timing', () =>
      state.links
        .filter(({ name }) => wired.has(name))
        .map(({ name, index }) => {
          const qdiscs = state.qdiscs.filter((qdisc) => qdisc.index === index).map(({ kind }) => kind)
          return timingOf(name, timestampingOf(name), qdiscs, this.#ptp!.of(name))
        }),
    )
  }

  async #lookAtInputs(): Promise<void> {
    await this.#section('inputs', async () =>
      [
        TEST_CARD,
        ...namedInputs(this.#options.config()),
        ...(await readVideoInputs(this.#roots, this.#options.logger)),
        ...(await readSoundInputs(this.#roots)),
      ].slice(0, MOST_INPUTS),
    )
  }

  async #lookAtSystem(): Promise<void> {
    await this.#section('system', () => this.#system.read())
  }

  async #tryEncoders(): Promise<void> {
    const { logger, probe = probeEncoders, inUse = () => [] } = this.#options
    await this.#section('encoders', async () => {
      const before = new Set(inUse())
      const facts = await probe({ logger, signal: this.#closing.signal })
      const used = before.union(new Set(inUse()))
      return facts.map((fact) =>
        fact.works || !used.has(fact.element) ? fact : { ...fact, works: true, reason: null },
      )
    })
  }

  /** Looks, and tells where something is another than before. What cannot be read stays as it was. */
  async #section<Name extends keyof NodeReport>(
    name: Name,
    look: () => Promise<NodeReport[Name]> | NodeReport[Name],
  ): Promise<void> {
    try {
      const now = await look()
      if (this.#closing.signal.aborted || isDeepStrictEqual(now, this.#report[name])) return
      this.#report = { ...this.#report, [name]: now }
      if (this.#opened) this.#options.onChange({ [name]: now })
    } catch (error) {
      if (this.#closing.signal.aborted) return
      this.#options.logger.error({ section: name, reason: messageOf(error) }, 'the device cannot be read')
    }
  }
}
