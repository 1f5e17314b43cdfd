import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Endpoint, FlowContract } from '../../common/wire/flow-contract.ts'
import type { Broadcast } from '../../common/wire/node-config.ts'
import type { BroadcastStatus } from '../../common/wire/node-report.ts'
import { laneInputOf } from '../../common/wire/switched-inputs.ts'
import { BroadcastGaps, type GapKeeper, hubStreamOf } from '../backlog/broadcast-gaps.ts'
import type { LiveFacts } from '../backlog/spare-rate.ts'
import type { BondSettings } from '../bond/bond-terms.ts'
import { type ContractHolder, ContractKeeper } from '../contract/contract-keeper.ts'
import { DirectViewers } from '../direct/direct-viewers.ts'
import type { EncoderConfig } from '../encoder/encoder-protocol.ts'
import { KeptEncoder, type KeptState } from '../encoder/kept-encoder.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { HubClient, type HubRefusal } from '../node/hub-client.ts'
import type { LinkState } from '../routes/routes.ts'
import { SenderProcess } from '../sender/sender-process.ts'
import { captureTimeOfWallClockPts, TsStamper } from '../ts-stamper.ts'
import { healthOf } from './broadcast-health.ts'
import { EncoderWishes } from './encoder-wishes.ts'
import { LinkTable } from './link-table.ts'
import { RateMeter } from './rate-meter.ts'

/** The most time from one IDR to the next, ms: while the hub is heard it asks for those that are needed. */
const LONG_GOP_MS = 10_000
const SHORT_GOP_MS = 1000

/** Where packets to the endpoints of links go. */
export interface LinkRoutes {
  /** Resolves when they go their way; never rejects. */
  use(key: string, endpoints: readonly Endpoint[]): Promise<void>
  release(key: string): void
  /** How the links of a stream do, once a second. */
  links(key: string, links: readonly LinkState[]): void
  /** The interface that a link is now. */
  interfaceOf(link: string): string | null
}

export interface LiveBroadcastOptions {
  readonly settings: Broadcast
  readonly encoder: EncoderConfig
  readonly hub: HubAccess
  readonly routes: LinkRoutes
  /** No contract is asked for before this: the hub has to know the device's links. */
  readonly introduced: Promise<void>
  readonly backlog: GapKeeper
  readonly logger: Logger
  /** Its state, or the reason of its state, is another one. */
  readonly changed: () => void
}

/** Live media has all that it could use, from this share of its most on. */
const FULL_SHARE = 0.95
/** An encoder that makes less than this share of what it may has no use for more. */
const EASY_SHARE = 0.85
/** Media that waits for longer than this shows that the links are taken, ms. */
const WAITS_MS = 50

const keepsGaps = ({ backlog, class: streamClass }: Broadcast): boolean => backlog ?? streamClass === 'record'

/** What the bond must know of a broadcast beside its contract. */
const bondSettingsOf = ({ kbps, renditions, fps, sound }: Broadcast): BondSettings => ({
  kbps: kbps ?? null,
  renditions,
  fps,
  soundKbps: sound?.kbps ?? 0,
})

/**
 * One stream on air: an encoder, the stamps of capture times, and a bonded sender by a contract that is kept with the
 * hub. Each part comes back by itself, and none waits for another.
 */
export class LiveBroadcast implements AsyncDisposable {
  readonly #options: LiveBroadcastOptions
  readonly #logger: Logger
  readonly #encoder: KeptEncoder
  readonly #sender: SenderProcess
  readonly #keeper: ContractKeeper
  readonly #direct: DirectViewers
  readonly #links = new LinkTable()
  readonly #wishes: EncoderWishes
  readonly #gaps: BroadcastGaps
  readonly #sent = new RateMeter()
  #settings: Broadcast
  #contract: FlowContract | null = null
  #refusal: string | null = null
  #health: Pick<BroadcastStatus, 'state' | 'reason'> = { state: 'starting', reason: null }
  #since = Date.now()

  constructor(options: LiveBroadcastOptions) {
    const { settings, encoder, hub, backlog, logger } = options
    this.#options = options
    this.#settings = settings
    this.#logger = logger.child({
      stream: settings.stream_id,
      ...(settings.input && { input: settings.input }),
    })
    this.#gaps = new BroadcastGaps(backlog, hubStreamOf(settings))
    this.#gaps.keep(keepsGaps(settings))
    this.#sender = new SenderProcess({
      hubUrl: hub.hubUrl,
      identity: hub.identity,
      nullPacketDeletion: false,
      logger: this.#logger,
      events: {
        // The receiver has heard nothing before: with a long GOP it would wait for its first picture.
        authenticated: () => this.#encoder.requestKeyframe(null),
        stats: (figures) => {
          this.#links.take(figures)
          this.#look()
        },
        bond: (report) => {
          this.#links.bond(report.links)
          this.#options.routes.links(this.#key, this.#links.states)
          this.#wishes.bond(report)
        },
        carries: (carries) => {
          this.#gaps.carries(carries)
          this.#wishes.offline(this.#gaps.isOffline)
        },
        late: () => this.#gaps.lost(),
        ways: (ways) => {
          this.#logger.info({ ways: Object.fromEntries(ways) }, 'ways of the links')
          this.#keeper.tellWays({ ways: [...ways].map(([endpoint, via]) => ({ endpoint, via })) })
        },
      },
    })
    const stamper: TsStamper = new TsStamper({
      captureUnixMs: (pts) => hub.clock.hubTimeOf(captureTimeOfWallClockPts(pts, Date.now())),
      onPackets: (packets) => {
        this.#sent.count(packets.length)
        this.#sender.write(packets)
        this.#gaps.write(packets, stamper.capturedUnixMs ?? hub.clock.hubNow())
        this.#direct.write(packets)
      },
    })
    this.#encoder = new KeptEncoder({
      config: encoder,
      onData: (chunk) => stamper.push(chunk),
      logger: this.#logger,
      onState: (state) => this.#encoderChanged(state),
    })
    this.#wishes = new EncoderWishes(this.#encoder)
    this.#direct = new DirectViewers({
      logger: this.#logger,
      aheadMs: () => hub.clock.aheadMs ?? 0,
      keyframe: () => this.#encoder.requestKeyframe(null),
      watched: (watched) => this.#wishes.direct(watched),
    })
    this.#sender.settings(bondSettingsOf(settings))
    this.#keeper = this.#keepContract()
  }

  get settings(): Broadcast {
    return this.#settings
  }

  get encoderState(): KeptState {
    return this.#encoder.state
  }

  get status(): BroadcastStatus {
    const { stream_id, renditions } = this.#settings
    const { element, fps, restarts } = this.#encoder.state
    return {
      stream_id,
      ...this.#health,
      since: this.#since,
      contract_id: this.#contract?.contract_id ?? null,
      encoder: element,
      target_kbps: this.#wishes.targetKbps,
      sent_kbps: this.#contract ? Math.round(this.#sent.kbps) : 0,
      fps,
      renditions: renditions.map((_, rendition) => this.#wishes.hasRoomFor(rendition)),
      encoder_restarts: restarts,
      sender_restarts: this.#sender.restarts,
      backlog_mb: this.#gaps.mb,
      links: this.#links.links.map((link) => ({
        ...link,
        interface: this.#options.routes.interfaceOf(link.link_id),
      })),
    }
  }

  /** How far the links are taken. */
  get facts(): LiveFacts {
    const { state, links } = this.status
    const target = this.#wishes.targetKbps ?? 0
    const most = this.#contract ? this.#most(this.#contract) : Number.POSITIVE_INFINITY
    // A still picture takes less than it may.
    const hasEnough = target >= most * FULL_SHARE || this.#sent.kbps < target * EASY_SHARE
    const isFull = hasEnough && this.#sender.waitingMs < WAITS_MS
    return { state, links, isFull }
  }

  /** Goes on with other settings of the same stream, class, mode and input. */
  change(settings: Broadcast, encoder: EncoderConfig): void {
    const isOtherLinks = !isDeepStrictEqual(this.#settings.links, settings.links)
    this.#settings = settings
    this.#gaps.keep(keepsGaps(settings))
    this.#sender.settings(bondSettingsOf(settings))
    if (this.#contract) this.#wishes.contract(this.#targetOf(this.#contract))
    if (this.#contract && isOtherLinks) this.#send(this.#contract)
    this.#encoder.change(encoder)
  }

  requestKeyframe(): void {
    this.#encoder.requestKeyframe(null)
  }

  restartEncoder(): void {
    this.#encoder.restart()
  }

  restartSender(): void {
    this.#sender.restart()
  }

  /** Goes off air for good: the hub has the stream's contract back, and tells its viewers. */
  async end(): Promise<void> {
    await this.#keeper.end()
    await this[Symbol.asyncDispose]()
  }

  /** The contract stays: an agent that starts again soon goes on with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper[Symbol.asyncDispose]()
    await this.#direct[Symbol.asyncDispose]()
    await this.#encoder[Symbol.asyncDispose]()
    await this.#sender[Symbol.asyncDispose]()
    this.#gaps.close()
    this.#options.routes.release(this.#key)
  }

  #keepContract(): ContractKeeper {
    const { stream_id, class: streamClass, input, mode } = this.#settings
    const client = new HubClient(this.#options.hub)
    const request = {
      stream_id,
      class: streamClass,
      ...(input && { input: laneInputOf(input) }),
      ...(mode && { intent: { mode } }),
    }
    const holder: ContractHolder = {
      granted: (contract) => this.#granted(contract),
      ended: (reason) => {
        this.#logger.warn({ reason }, 'contract ended')
        this.#contract = null
        this.#refusal = `the contract is ${reason}`
        this.#links.use([])
        this.#direct.leaveAll()
        this.#options.routes.release(this.#key)
        this.#wishes.contract(null)
        this.#sender.stop().catch((thrown: unknown) => this.#failed(thrown))
        this.#look()
      },
      keyframeRequested: (rendition) => this.#encoder.requestKeyframe(rendition),
      demanded: (demand) => this.#wishes.demanded(demand),
      arrived: (arrivals) => this.#sender.arrived(arrivals),
      controlHeard: (heard) => this.#encoder.setKeyframeInterval(heard ? LONG_GOP_MS : SHORT_GOP_MS),
      direct: this.#direct,
      refused: (error, againMs) => this.#refused(error, againMs),
    }
    return new ContractKeeper(client, request, holder, this.#options.introduced)
  }

  #granted(contract: FlowContract): void {
    const { contract_id, version, endpoints } = contract
    this.#logger.info({ contract_id, version }, 'contract')
    this.#contract = contract
    this.#refusal = null
    this.#gaps.denied(false)
    this.#links.use(endpoints)
    this.#wishes.contract(this.#targetOf(contract))
    // Media must not begin by the wrong interface. Meanwhile the contract may be another one, or over.
    void this.#options.routes.use(this.#key, endpoints).then(() => {
      if (this.#contract === contract) this.#send(contract)
    })
    this.#look()
  }

  #send(contract: FlowContract): void {
    const links = this.#settings.links ?? null
    this.#sender.apply(contract, links).catch((thrown: unknown) => this.#failed(thrown))
  }

  /** Names the stream among those of the device. */
  get #key(): string {
    return `${this.#settings.stream_id} ${this.#settings.input ?? ''}`
  }

  #refused({ code, message, status }: HubRefusal, againMs: number): void {
    this.#logger.warn({ code, reason: message, again_ms: Math.round(againMs) }, 'no answer from the hub')
    this.#refusal = message
    // Asked again too soon, or too much at once, is no judgement of the stream.
    if (status >= 400 && status < 500 && status !== 429) this.#gaps.denied(true)
    this.#wishes.offline(this.#gaps.isOffline)
    this.#look()
  }

  #failed(thrown: unknown): void {
    this.#logger.error({ reason: messageOf(thrown) }, 'sender failed')
  }

  #encoderChanged({ input, reason }: KeptState): void {
    this.#logger.debug({ input, reason }, 'encoder')
    this.#look()
    this.#options.changed()
  }

  /** kb/s of media: what the contract says, within the bounds of the configuration, which are within the contract's. */
  #targetOf(contract: FlowContract): number {
    const { pacing, abr } = contract
    const least = this.#settings.kbps?.min ?? abr.min_kbps
    return Math.min(this.#most(contract), Math.max(least, abr.min_kbps, pacing.target_kbps))
  }

  #most({ abr }: FlowContract): number {
    return Math.min(this.#settings.kbps?.max ?? abr.max_kbps, abr.max_kbps)
  }

  #look(): void {
    const contract = this.#contract
    const health = healthOf({
      encoder: this.#encoder.state,
      contract: contract ? { id: contract.contract_id } : { id: null, reason: this.#refusal },
      carries: this.#links.carries,
    })
    const { state, reason } = this.#health
    if (health.state === state && health.reason === reason) return
    if (health.state !== state) this.#since = Date.now()
    this.#health = health
    this.#logger.info(health, 'broadcast')
    this.#options.changed()
  }
}
