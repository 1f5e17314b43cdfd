import { isDeepStrictEqual } from 'node:util'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type Broadcast, EMPTY_NODE_CONFIG, type NodeConfig } from '../../common/wire/node-config.ts'
import type { BroadcastStatus, NodeReport } from '../../common/wire/node-report.ts'
import type { GapKeeper } from '../backlog/broadcast-gaps.ts'
import type { LiveFacts } from '../backlog/spare-rate.ts'
import type { ConfigTarget } from '../config/config-keeper.ts'
import { encoderConfigOf } from '../encoder/encoder-config-of.ts'
import type { EncoderConfig } from '../encoder/encoder-protocol.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { idleStatus } from './idle-status.ts'
import { type LinkRoutes, LiveBroadcast } from './live-broadcast.ts'

/** How long a new or changed encoder has to show that it fails, ms. One that is slower than this is taken to work. */
const PROVE_WITHIN_MS = 5000

export interface BroadcastsOptions {
  readonly hub: HubAccess
  /** Sends what goes to a link's endpoint by the link's interface. */
  readonly routes: LinkRoutes
  /** No contract is asked for before this: the hub has to know the device's links. */
  readonly introduced: Promise<void>
  /** Keeps what could not be sent in time. */
  readonly backlog: GapKeeper
  /** What the device knows of itself now. */
  readonly report: () => NodeReport
  readonly logger: Logger
  /** The state of a broadcast is another one. */
  readonly changed: () => void
}

/** A broadcast that is to be on, and how its encoder is told so. */
interface Planned {
  readonly settings: Broadcast
  readonly encoder: EncoderConfig
}

/** A broadcast that is on by configuration, and can't be made of this device now. */
interface Impossible {
  readonly settings: Broadcast
  readonly reason: string
  readonly since: number
}

/** The broadcasts of this device, as the configuration in force says. */
export class Broadcasts implements ConfigTarget, AsyncDisposable {
  readonly #options: BroadcastsOptions
  readonly #live = new Map<string, { readonly broadcast: LiveBroadcast; encoder: EncoderConfig }>()
  #impossible: readonly Impossible[] = []
  #config: NodeConfig = EMPTY_NODE_CONFIG
  /** Changes run one after the other. */
  #changes: Promise<unknown> = Promise.resolve()
  #stateChanged = Promise.withResolvers<void>()

  constructor(options: BroadcastsOptions) {
    this.#options = options
  }

  /**
   * Goes on by another configuration as a whole.
   * @throws CodedError `gstreamer_missing`, `bad_config` or `broadcast_failed` with the reason; then everything is as it was
   */
  configure(config: NodeConfig): Promise<void> {
    return this.#inTurn(async () => {
      const planned = this.#plan(config)
      const before = { config: this.#config, planned: this.#present(), impossible: this.#impossible }
      this.#config = config
      this.#impossible = []
      const touched = await this.#become(planned)
      try {
        await this.#proved(touched)
      } catch (error) {
        this.#config = before.config
        this.#impossible = before.impossible
        await this.#become(before.planned)
        throw error
      }
    })
  }

  /**
   * Goes on by the configuration that was in force before the program began. What can't be now is told as failed, and tried
   * again when the device changes.
   */
  resume(config: NodeConfig): Promise<void> {
    return this.#inTurn(async () => {
      this.#config = config
      await this.#becomePossible()
    })
  }

  /** What the device knows of itself is another thing: what could not be may be possible now. */
  deviceChanged(): void {
    if (this.#impossible.length > 0) void this.#inTurn(() => this.#becomePossible())
  }

  status(): BroadcastStatus[] {
    return this.#config.broadcasts.map((settings) => {
      const live = this.#live.get(keyOf(settings))
      if (live) return live.broadcast.status
      const failed = this.#impossible.find((one) => keyOf(one.settings) === keyOf(settings))
      return failed
        ? idleStatus(settings, { state: 'failed', reason: failed.reason, since: failed.since })
        : idleStatus(settings, { state: 'off', reason: null, since: 0 })
    })
  }

  /** How far the links are taken by what is on air. */
  liveFacts(): LiveFacts[] {
    return [...this.#live.values()].map(({ broadcast }) => broadcast.facts)
  }

  /** @throws CodedError `broadcast_unknown` */
  keyframe(streamId: string): void {
    for (const broadcast of this.#of(streamId)) broadcast.requestKeyframe()
  }

  /** @throws CodedError `broadcast_unknown` */
  restartEncoder(streamId: string): void {
    for (const broadcast of this.#of(streamId)) broadcast.restartEncoder()
  }

  /** @throws CodedError `broadcast_unknown` */
  restartSender(streamId: string): void {
    for (const broadcast of this.#of(streamId)) broadcast.restartSender()
  }

  /** Each encoder begins anew: their clock was set. */
  restartEncoders(): void {
    for (const { broadcast } of this.#live.values()) broadcast.restartEncoder()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(async () => {
      const all = [...this.#live.values()]
      this.#live.clear()
      await Promise.all(all.map(({ broadcast }) => broadcast[Symbol.asyncDispose]()))
    })
  }

  #of(streamId: string): LiveBroadcast[] {
    const found = [...this.#live.values()].flatMap(({ broadcast }) =>
      broadcast.settings.stream_id === streamId ? [broadcast] : [],
    )
    if (found.length === 0)
      throw new CodedError('broadcast_unknown', `no broadcast of ${streamId} is on here`)
    return found
  }

  #plan(config: NodeConfig): Planned[] {
    const report = this.#options.report()
    return config.broadcasts
      .filter(({ on }) => on)
      .map((settings) => ({ settings, encoder: encoderConfigOf(settings, report) }))
  }

  #present(): Planned[] {
    return [...this.#live.values()].map(({ broadcast, encoder }) => ({
      settings: broadcast.settings,
      encoder,
    }))
  }

  async #becomePossible(): Promise<void> {
    const report = this.#options.report()
    const planned: Planned[] = []
    const impossible: Impossible[] = []
    for (const settings of this.#config.broadcasts.filter(({ on }) => on)) {
      try {
        planned.push({ settings, encoder: encoderConfigOf(settings, report) })
      } catch (error) {
        const before = this.#impossible.find((one) => keyOf(one.settings) === keyOf(settings))
        const reason = messageOf(error)
        if (before?.reason !== reason)
          this.#options.logger.error({ stream: settings.stream_id, reason }, 'broadcast can not be now')
        impossible.push({ settings, reason, since: before?.since ?? Date.now() })
      }
    }
    this.#impossible = impossible
    await this.#become(planned)
    this.#changed()
  }

  /** @returns the broadcasts whose encoders are new */
  async #become(planned: readonly Planned[]): Promise<LiveBroadcast[]> {
    const wanted = new Map(planned.map((one) => [keyOf(one.settings), one]))
    const left = [...this.#live].filter(([key, { broadcast }]) => {
      const next = wanted.get(key)
      const { class: before, mode } = broadcast.settings
      return !next || next.settings.class !== before || next.settings.mode !== mode
    })
    for (const [key] of left) this.#live.delete(key)
    // A camera is free for the next broadcast only when the one before has left it.
    await Promise.all(
      left.map(([key, { broadcast }]) =>
        wanted.has(key) ? broadcast[Symbol.asyncDispose]() : broadcast.end(),
      ),
    )
    const touched: LiveBroadcast[] = []
    for (const [key, { settings, encoder }] of wanted) {
      const present = this.#live.get(key)
      if (present) {
        const isNew = !isDeepStrictEqual(present.encoder, encoder)
        present.broadcast.change(settings, encoder)
        present.encoder = encoder
        if (isNew) touched.push(present.broadcast)
      } else {
        const broadcast = new LiveBroadcast({
          ...this.#options,
          settings,
          encoder,
          changed: () => this.#changed(),
        })
        this.#live.set(key, { broadcast, encoder })
        touched.push(broadcast)
      }
    }
    this.#changed()
    return touched
  }

  /** Waits until each encoder runs, or waits for its input. @throws CodedError `broadcast_failed` where one fails */
  async #proved(touched: readonly LiveBroadcast[]): Promise<void> {
    const late = AbortSignal.timeout(PROVE_WITHIN_MS)
    const isLate = new Promise<void>((resolve) => late.addEventListener('abort', () => resolve()))
    for (;;) {
      const failed = touched.find(({ encoderState }) => encoderState.input === 'failed')
      if (failed) {
        const { settings, encoderState } = failed
        throw new CodedError(
          'broadcast_failed',
          `${settings.stream_id} can not be encoded: ${encoderState.reason}`,
        )
      }
      if (late.aborted || touched.every(({ encoderState }) => encoderState.input !== 'starting')) return
      await Promise.race([this.#stateChanged.promise, isLate])
    }
  }

  #changed(): void {
    const before = this.#stateChanged
    this.#stateChanged = Promise.withResolvers<void>()
    before.resolve()
    this.#options.changed()
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changes.then(change)
    this.#changes = changed.catch(() => {})
    return changed
  }
}

const keyOf = ({ stream_id, input }: Broadcast): string => `${stream_id} ${input ?? ''}`
