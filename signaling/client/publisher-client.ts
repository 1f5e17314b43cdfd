import type { Device } from 'mediasoup-client'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import {
  type DataPayload,
  type LayerDemand,
  type PublishAnswer,
  publishAnswer,
} from '../../common/wire/publisher-protocol.ts'
import type { StreamState } from '../../common/wire/stream.ts'
import { ClockOffset, compareClocks, localUnixMs } from './clock-offset.ts'
import { type Closing, webSocketUrl } from './hub-socket.ts'
import { PublishedTrack, type TrackWishes } from './published-track.ts'
import { FOR_FIELD_SENDERS, PublisherConnection } from './publisher-connection.ts'
import { PublisherContract, type PublisherOptions } from './publisher-contract.ts'
import type { PublisherEvents } from './publisher-events.ts'
import { PublisherMonitor } from './publisher-monitor.ts'
import { type PublisherOutcome, type PublishingEnd, publisherOutcome } from './publisher-outcome.ts'
import { PublisherRoaming } from './publisher-roaming.ts'
import { type PublisherState, publisherState } from './publisher-state.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'
import { SendingDevice } from './sending-device.ts'
import { SendingMedia, type SendingMediaOwner } from './sending-media.ts'
import { TypedEmitter } from './typed-emitter.ts'
import { WakingPause } from './waking-pause.ts'

/** With less than this left of a contract, a new one is asked for before the next connection, ms. */
const REUSE_LEFT_MS = 10_000

/**
 * Publishes one stream, from `start` to `close`: asks for a contract and keeps it, sends the tracks that it is given,
 * and recovers by itself from whatever breaks. Where only the WebSocket is lost, media goes on untouched.
 */
export class PublisherClient extends TypedEmitter<PublisherEvents> {
  readonly #options: PublisherOptions
  readonly #device = new SendingDevice()
  readonly #clock = new ClockOffset()
  readonly #contract: PublisherContract
  readonly #tracks = new Set<PublishedTrack>()
  readonly #monitor: PublisherMonitor
  readonly #roaming: PublisherRoaming
  /** Tells the hub that a new connection belongs to this same program. */
  readonly #publisherId = crypto.randomUUID()
  readonly #mediaOwner: SendingMediaOwner = {
    connection: () => this.#connected(),
    failed: (media, reason) => {
      if (media === this.#media) this.#connection?.close(reason, 'lost')
      media.close()
    },
    pathLost: (media) => {
      if (media === this.#media) this.#roaming.lost('disconnected')
    },
  }
  #connection: PublisherConnection | null = null
  #media: SendingMedia | null = null
  #mediaDevice: Device | null = null
  #demand: LayerDemand | null = null
  #viewers = 0
  #attempt = 0
  #closed = false
  readonly #between = new WakingPause()
  /** Ends the present attempt. */
  #failed: (error: unknown) => void = () => {}
  #outcome: PublisherOutcome | null = null
  /** The last attempt was refused or failed, rather than its connection lost. */
  #refused = false

  #state: PublisherState = { name: 'connecting' }
  #trouble: PublisherState | null = null
  #pathLost: string | null = null
  /** The present connection once the hub has taken the publisher in on it. */
  #published = Promise.withResolvers<PublisherConnection>()
  #stream: StreamState | null = null
  #everPublished = false
  #lastClosing = ''

  constructor(options: PublisherOptions) {
    super()
    this.#options = options
    this.#contract = new PublisherContract(options, this.#clock, (contract) => {
      for (const track of this.#tracks) track.bound(contract)
      this.emit('contract', contract)
    })
    const client = this
    this.#monitor = new PublisherMonitor({
      get connection() {
        return client.#connection
      },
      get media() {
        return client.#media
      },
      get picture() {
        return [...client.#tracks].find(({ kind }) => kind === 'video')?.picture
      },
      get iceRestarts() {
        return client.#roaming.restarts
      },
      clock: this.#clock,
      statistics: (statistics) => this.emit('statistics', statistics),
    })
    this.#roaming = new PublisherRoaming({
      get connection() {
        return client.#connection
      },
      get media() {
        return client.#media
      },
      dropConnection: (connection, reason) => {
        connection.close(reason, 'lost')
        // The wait for the next attempt begins in this turn.
        setTimeout(() => this.#between.wake())
      },
      published: () => this.#published.promise,
      pathIs: (lost) => {
        this.#pathLost = lost
        this.#refresh()
      },
      recovered: () => {
        for (const track of this.#tracks) track.beginAgain()
      },
      failed: (reason) => {
        this.#pathLost = null
        const connection = this.#connection
        this.#dropMedia()
        connection?.close(reason, 'lost')
      },
    })
  }

  get state(): PublisherState {
    return this.#state
  }

  get viewers(): number {
    return this.#viewers
  }

  /** The last contract from the hub; null before the first. */
  get contract(): FlowContract | null {
    return this.#contract.granted
  }

  /** The id of the present media transport; null while there is none. */
  get transportId(): string | null {
    return this.#media?.id ?? null
  }

  /** Starts to connect. A client is started once and closed once. */
  start(): void {
    addEventListener('online', this.retryNow)
    void this.#run()
  }

  /** Stops a wait between two attempts. */
  retryNow = (): void => this.#between.wake()

  /**
   * Sends a track from now on, over all connections to come; one track of each kind at a time.
   * @throws when the browser can't encode the track as wished, or the hub does not forward it; the track is then not
   * published
   */
  async publishTrack(track: MediaStreamTrack, wishes: TrackWishes = {}): Promise<PublishedTrack> {
    if ([...this.#tracks].some(({ kind }) => kind === track.kind))
      throw new Error(`a ${track.kind} track is published already: close it, or replace its track`)
    const published = new PublishedTrack(track, wishes, () => this.#tracks.delete(published))
    this.#tracks.add(published)
    try {
      if (this.#media !== null) await this.#produce(published, this.#media)
      return published
    } catch (error) {
      published.close()
      throw error
    }
  }

  /**
   * Sends timed metadata to every viewer: at most 1 KiB of JSON, 10 a second.
   * @param capturedMs the moment of the metadata, in unix ms of this machine; now by default
   * @throws RequestRefusal, or an Error while there is no connection
   */
  async sendData(payload: DataPayload, capturedMs: number = localUnixMs()): Promise<void> {
    const at_unix_ms = Math.max(0, capturedMs + (this.#clock.offsetMs ?? 0))
    await this.#connected().request('data', { payload, at_unix_ms })
  }

  /**
   * Stops publishing and gives the contract back: viewers are told that the stream has ended, and others may publish
   * it. Where the hub can't be told now, the contract expires by itself.
   */
  async end(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#refresh()
    await this.#connection?.request('unpublish', {}).catch(() => {})
    this.close()
  }

  /**
   * Stops publishing at once. The contract runs on: viewers wait, and this publisher may come back to the stream.
   * Tracks belong to the page and go on.
   */
  close(): void {
    this.#closed = true
    removeEventListener('online', this.retryNow)
    this.#contract.release()
    this.#monitor.close()
    this.#roaming.close()
    this.#between.wake()
    this.#media?.close()
    this.#media = null
    this.#connection?.close('the publisher stopped')
    this.#refresh()
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const end = await this.#publishOnce().catch((error: unknown) => ({ cause: 'failed' as const, error }))
      if (this.#closed) return
      this.#contract.release()
      this.#over(end)
      if (end.cause !== 'expired') await this.#pause()
    }
  }

  #over(end: PublishingEnd): void {
    const { token } = this.#options
    const outcome = publisherOutcome(end, (token?.() ?? null) !== null)
    this.#connection = null
    this.#published = Promise.withResolvers()
    this.#stream = null
    this.#trouble = outcome.trouble
    this.#lastClosing = outcome.reason
    this.#outcome = outcome
    this.#refused = end.cause === 'failed'
    // A refused publisher has no place in which media could go on.
    if (outcome.trouble !== null) this.#dropMedia()
    this.#refresh()
  }

  /** One contract and one connection, until the connection is over. */
  async #publishOnce(): Promise<Closing> {
    // Media that goes on without its connection is taken up by the same contract: asking would take time.
    const kept = this.#media?.closed === false && this.#contract.leftMs > REUSE_LEFT_MS && !this.#refused
    const { join } = kept ? this.#contract.granted! : await this.#contract.ask()
    const connection = this.#connect(webSocketUrl(join.protoo_url, this.#options.hubUrl))
    this.#connection = connection
    this.#contract.use()
    const failed = Promise.withResolvers<never>()
    this.#failed = failed.reject
    try {
      return await Promise.race([connection.closed, failed.promise])
    } finally {
      connection.close('publishing failed')
    }
  }

  #connect(url: string): PublisherConnection {
    let capabilities: object = {}
    let turn = 0
    const publish = () => {
      if (connection !== this.#connection) return
      turn += 1
      const mine = turn
      this.#publish(connection, capabilities).catch((error: unknown) => {
        // A later turn has asked again for what this turn lost.
        if (mine === turn) this.#failed(error)
      })
    }
    const connection: PublisherConnection = new PublisherConnection(url, {
      welcome: ({ router_rtp_capabilities }) => {
        capabilities = router_rtp_capabilities
        publish()
      },
      republish: ({ reason }) => {
        this.#lastClosing = reason
        this.#dropMedia()
        publish()
      },
      'path-lost': ({ transport_id }) => {
        if (transport_id === this.#media?.id) this.#roaming.lost('hub')
      },
      demand: (demand) => this.#demanded(demand),
      stream: (stream) => {
        this.#stream = stream
        if (stream.state === 'live') this.#attempt = 0
        if (this.#demand !== null) this.#demanded(this.#demand)
        this.#refresh()
      },
      viewers: ({ count }) => this.#setViewers(count),
      'contract-changed': ({ contract }) => {
        this.#contract.granted = contract
      },
      ...FOR_FIELD_SENDERS,
    })
    return connection
  }

  async #publish(connection: PublisherConnection, capabilities: object): Promise<void> {
    const { ticket } = this.#contract.granted!.join
    const kept = this.#media?.closed === false ? this.#media.id : undefined
    const answered = connection.request('publish', {
      ticket,
      publisher_id: this.#publisherId,
      ...(kept !== undefined && { transport_id: kept }),
    })
    const [device, published] = await Promise.all([
      this.#device.for(capabilities),
      // Noted at once: later messages are newer.
      answered.then((answer) => this.#noted(connection, publishAnswer.parse(answer))),
    ])
    if (connection !== this.#connection) return
    this.#mediaDevice = device
    if (published.transport === null)
      throw new Error('the server granted a contract that is not for browsers')
    await this.#take(published, published.transport, device)
    this.#everPublished = true
    this.#trouble = null
    this.#published.resolve(connection)
    this.#refresh()
    void compareClocks(connection, this.#clock)
  }

  #noted(connection: PublisherConnection, answer: PublishAnswer): PublishAnswer {
    if (connection !== this.#connection) return answer
    this.#stream = answer.stream
    this.#demand = answer.demand
    this.#contract.granted = answer.contract
    this.#setViewers(answer.viewers)
    this.emit('demand', answer.demand)
    return answer
  }

  /** Goes on with the present transport, or begins with a new one. */
  async #take(
    { producer_ids, contract }: PublishAnswer,
    transport: NonNullable<PublishAnswer['transport']>,
    device: Device,
  ): Promise<void> {
    if (this.#media?.id !== transport.id) {
      this.#dropMedia()
      this.#media = new SendingMedia(device, transport, contract.join, this.#mediaOwner)
    }
    const media = this.#media
    // Producers taken just before the last connection broke, or given up since, belong to no track here.
    const ours = new Set([...this.#tracks].map(({ producer }) => producer?.id))
    for (const id of producer_ids) if (!ours.has(id)) media.closeProducer(id)
    const missing = [...this.#tracks].filter(
      ({ producer }) => producer === null || !producer_ids.includes(producer.id),
    )
    await Promise.all(missing.map((track) => this.#produce(track, media)))
  }

  async #produce(track: PublishedTrack, media: SendingMedia): Promise<void> {
    await track.produceOn(media, this.#mediaDevice!, this.#contract.granted!)
    if (this.#demand !== null) this.#demanded(this.#demand)
  }

  /** Nothing is switched off before the hub has seen it arrive. */
  #demanded(demand: LayerDemand): void {
    const changed = JSON.stringify(demand) !== JSON.stringify(this.#demand)
    this.#demand = demand
    if (this.#stream?.state === 'live') for (const track of this.#tracks) track.demanded(demand)
    if (changed) this.emit('demand', demand)
  }

  #setViewers(count: number): void {
    this.#viewers = count
    this.emit('viewers', count)
  }

  #dropMedia(): void {
    this.#media?.close()
    this.#media = null
  }

  #connected(): PublisherConnection {
    if (this.#connection === null) throw new Error('there is no connection to the server now')
    return this.#connection
  }

  #refresh(): void {
    const state = publisherState({
      closed: this.#closed,
      trouble: this.#trouble,
      stream: this.#stream,
      everPublished: this.#everPublished,
      lastClosing: this.#lastClosing,
      pathLost: this.#pathLost,
    })
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return
    this.#state = state
    this.emit('state', state)
  }

  async #pause(): Promise<void> {
    const { pace = 'soon', atLeastMs = 0 } = this.#outcome ?? {}
    await this.#between.wait(Math.max(atLeastMs, reconnectDelayMs(this.#attempt++, pace)))
  }
}
