import { CodedError } from '../../common/errors.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import { type DirectAnswer, senderOfferSchema } from '../../common/wire/direct.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LinkArrivals } from '../../common/wire/link-arrivals.ts'
import {
  hubToPublisher,
  type LayerDemand,
  type PublisherRequests,
  publishAnswer,
  type WayReport,
} from '../../common/wire/publisher-protocol.ts'
import { ControlConnection, unknownMethod } from '../node/control-connection.ts'
import type { TlsIdentity } from '../node/tls-identity.ts'
import { SilenceWatch } from './silence-watch.ts'

/** A lost connection is mostly back soon. A hub that refuses mostly goes on refusing. */
const LOST: Backoff = { initialMs: 250, maxMs: 5_000, factor: 2 }
const REFUSED: Backoff = { initialMs: 1_000, maxMs: 30_000, factor: 2 }
/** How often the channel asks for the hub's clock, ms. A hub that does not answer is gone. */
const ALIVE_EVERY_MS = 10_000

/** Without a channel nobody can say what is not wanted. */
const EVERYTHING: LayerDemand = { video: [true, true, true, true], audio: true }

export interface ControlChannelOptions {
  readonly hubUrl: string
  /** The node's certificate, for each connection; left out for a sender without one. */
  readonly tls?: (() => TlsIdentity) | undefined
  /** `join` of the contract. */
  readonly join: FlowContract['join']
  /** The same as long as the program runs. */
  readonly publisherId: string
  /** Whether the sender makes an IDR on request. */
  readonly keyframesOnRequest: boolean
}

/** Viewers of this network that get media from here (mode `lan-direct`). */
export interface DirectServer {
  /** A viewer's session description. @returns the answer. @throws CodedError `direct_unavailable` */
  offer(viewer: string, sdp: string): Promise<DirectAnswer>
  leave(viewer: string): void
  /** All of them: those that may, come back by the hub. */
  leaveAll(): void
}

/** What the hub says about the stream while it is sent. */
export interface ControlListener {
  /** The contract's newest version: at each connection, and whenever it changes. */
  contract(contract: FlowContract): void
  ended(reason: 'expired' | 'revoked'): void
  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all. */
  keyframeRequested(rendition: number | null): void
  demanded(demand: LayerDemand): void
  /** What has arrived at the hub on each link. */
  arrived(arrivals: LinkArrivals): void
  /** Serves viewers of this network; left out by senders that do not. */
  readonly direct?: DirectServer | undefined
  /**
   * Whether the hub is heard, told within a second: at each connection, when it is silent, when it speaks again, and when
   * the connection is lost.
   */
  heard(heard: boolean): void
}

/**
 * The channel on which the hub tells a sender what is wanted, by protoo, as long as a contract runs. The channel
 * connects again whenever it is lost. Meanwhile the sender sends everything.
 */
export class ControlChannel implements AsyncDisposable {
  readonly #options: ControlChannelOptions
  readonly #listener: ControlListener
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #connection: ControlConnection | null = null
  #ways: WayReport | null = null
  #live = false
  #change = Promise.withResolvers<void>()

  constructor(options: ControlChannelOptions, listener: ControlListener) {
    this.#options = options
    this.#listener = listener
    this.#running = this.#run(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error
    })
  }

  /** Whether the hub's news come by this channel now. */
  get live(): boolean {
    return this.#live
  }

  /** Resolves when an attempt to connect has succeeded or failed, or the connection is lost. */
  get changed(): Promise<void> {
    return this.#change.promise
  }

  /** Tells the hub how the links reach it: now, and at each connection from now on. */
  tellWays(ways: WayReport): void {
    this.#ways = ways
    this.#connection?.notify('ways', ways)
  }

  /** Gives the contract back: the stream is free, and its viewers are told. Without a channel the contract runs out. */
  async unpublish(): Promise<void> {
    // A hub that refuses, or is away, needs no more of us.
    await this.#connection?.request('unpublish', {}).catch(() => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      let backoff = LOST
      try {
        await this.#connected(signal, () => {
          failures = 0
        })
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        if (error.code !== 'control_lost') backoff = REFUSED
      }
      signal.throwIfAborted()
      if (this.#live) {
        this.#listener.demanded(EVERYTHING)
        this.#listener.heard(false)
      }
      this.#changeTo(false)
      await pause(backoffMs(backoff, failures), signal)
    }
  }

  /** Runs from connecting until the connection is lost. @throws CodedError */
  async #connected(signal: AbortSignal, proved: () => void): Promise<void> {
    const { hubUrl, tls, join, publisherId, keyframesOnRequest } = this.#options
    const url = new URL(join.protoo_url, hubUrl).href.replace(/^http/, 'ws')
    let watch: SilenceWatch | null = null
    using connection = await ControlConnection.open(url, {
      tls: tls?.(),
      notified: (method, data) => this.#heard(method, data),
      heard: () => watch?.sign(),
      requested: (method, data) => this.#requested(method, data),
      signal,
    })
    const request: PublisherRequests['publish'] = {
      ticket: join.ticket,
      publisher_id: publisherId,
      keyframes_on_request: keyframesOnRequest,
      direct: this.#listener.direct !== undefined,
    }
    const answer = publishAnswer.safeParse(await connection.request('publish', request))
    if (!answer.success)
      throw new CodedError('control_not_understood', 'the hub answers in a way that is not understood')
    proved()
    // The hub may have turned viewers out while it could not say so here.
    this.#listener.direct?.leaveAll()
    this.#changeTo(true)
    this.#connection = connection
    using _ = {
      [Symbol.dispose]: () => {
        this.#connection = null
      },
    }
    if (this.#ways) connection.notify('ways', this.#ways)
    this.#listener.contract(answer.data.contract)
    this.#listener.demanded(answer.data.demand)
    // Requests made before this were not heard.
    this.#listener.keyframeRequested(null)
    this.#listener.heard(true)
    using watching = new SilenceWatch({
      ask: () => connection.ping(),
      told: (heard) => this.#listener.heard(heard),
    })
    watch = watching
    const over = new AbortController()
    void connection.closed.then(() => over.abort())
    const either = AbortSignal.any([signal, over.signal])
    while (!either.aborted) {
      await pause(ALIVE_EVERY_MS, either).catch(() => {})
      if (!either.aborted) await connection.request('clock', {})
    }
  }

  async #requested(method: string, data: unknown): Promise<DirectAnswer> {
    const { direct } = this.#listener
    if (method !== 'direct-offer' || !direct) throw unknownMethod(method)
    const offer = senderOfferSchema.safeParse(data).data
    if (!offer) throw new CodedError('bad_request', 'an offer has a viewer and a session description')
    return direct.offer(offer.viewer, offer.sdp)
  }

  #heard(method: string, data: unknown): void {
    const listener = this.#listener
    if (this.#stop.signal.aborted) return
    if (method === 'keyframe-request') {
      const parsed = hubToPublisher['keyframe-request'].safeParse(data)
      if (parsed.success) listener.keyframeRequested(parsed.data.rendition)
    } else if (method === 'demand') {
      const parsed = hubToPublisher.demand.safeParse(data)
      if (parsed.success) listener.demanded(parsed.data)
    } else if (method === 'direct-leave') {
      const parsed = hubToPublisher['direct-leave'].safeParse(data)
      if (parsed.success) listener.direct?.leave(parsed.data.viewer)
    } else if (method === 'arrivals') {
      const parsed = hubToPublisher.arrivals.safeParse(data)
      if (parsed.success) listener.arrived(parsed.data)
    } else if (method === 'contract-changed') {
      const parsed = hubToPublisher['contract-changed'].safeParse(data)
      if (parsed.success) listener.contract(parsed.data.contract)
    } else if (method === 'contract-ended') {
      const parsed = hubToPublisher['contract-ended'].safeParse(data)
      if (parsed.success) listener.ended(parsed.data.reason)
    }
  }

  #changeTo(live: boolean): void {
    this.#live = live
    const before = this.#change
    this.#change = Promise.withResolvers<void>()
    before.resolve()
  }
}
