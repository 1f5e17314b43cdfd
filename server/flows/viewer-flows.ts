import { isDeepStrictEqual } from 'node:util'
import { type Clock, SYSTEM_CLOCK, steadyOf, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { RelayChoice } from '../../common/wire/decision.ts'
import { type Abr, type IceAccess, NO_RELAYS } from '../../common/wire/flow-contract.ts'
import type { ViewerMediaStatistics } from '../../common/wire/statistics-api.ts'
import type { StreamClass } from '../../common/wire/stream.ts'
import type { ViewerPath } from '../../common/wire/viewer-protocol.ts'
import type { Stream } from '../../sfu/stream.ts'
import type { AdmittedViewer, ContractListener, ViewerAdmission } from '../../signaling/viewer-admission.ts'
import type { ContractRelays } from '../relays/contract-relays.ts'
import type { ContractUsage } from '../relays/turn-usage.ts'
import { hashOf, newTicket } from './contract-secrets.ts'
import { Deadlines } from './deadlines.ts'
import type { Proof } from './proof.ts'
import { USUAL_PRIORITY } from './publisher-flow.ts'
import type { LimitedViewer } from './viewer-limits.ts'
import {
  type PlaceCeilings,
  type PlaceHolder,
  type PlacesTaken,
  type Seeker,
  streamOf,
  ViewerPlaces,
} from './viewer-places.ts'
import { ViewerRelays } from './viewer-relays.ts'

/** One viewer's contract, from its grant to its end. */
export interface ViewerFlow {
  readonly contractId: string
  readonly tenantId: string
  readonly streamId: string
  readonly subject: string
  readonly holder: PlaceHolder
  readonly proof: Proof | null
  readonly streamClass: StreamClass
  readonly relay: RelayChoice
  /** By the machine's clock, unix ms. It moves when that clock is set. */
  readonly expiresAt: number
  /** The highest bitrate that the viewer asked for, kb/s. */
  readonly wantedKbps: number | null
  /** What holds now: the grant, below the ceiling that was set by hand. */
  readonly abr: Abr
  /** Set by hand, kb/s. */
  readonly limitKbps: number | null
}

/** A viewer's contract as lists show it. */
export interface ListedViewer extends ViewerFlow {
  readonly connected: boolean
  /** How media reaches the viewer, by its own word; null while nobody said. */
  readonly path: ViewerPath | null
}

/** A grant. */
export type ViewerGrant = Omit<ViewerFlow, 'limitKbps'>

/** The streams that can be watched now. */
export interface WatchedStreams {
  get(tenantId: string, streamId: string): Stream | undefined
  /** The ceiling that somebody set by hand for a new viewer, kb/s; null without one. */
  limitOf?(viewer: LimitedViewer): number | null
}

interface Entry {
  flow: ViewerFlow
  granted: Abr
  readonly ticketHash: string
  /** When the contract ends, by the steady clock, unix ms, and from when on its viewer asks for the next contract. */
  readonly endsAt: number
  readonly dueAt: number
  /** The next contract was granted above a ceiling. */
  renewed: boolean
  listener: ContractListener | null
}

/**
 * A contract that nobody uses ends after this time, ms, so that it holds no viewer's place: after its grant, or after
 * its viewer vanished. It gives way sooner where there are too many.
 */
const USE_WITHIN_MS = 30_000

/** The last share of a contract's life, in which its viewer asks for the next contract. */
const DUE_FOR = 0.6

/** Ceilings where nobody counts. */
const NO_CEILINGS: PlaceCeilings = {
  viewers: null,
  viewersOfStream: null,
  anonymous: { viewers: null, viewersOfStream: null, viewersOfAddress: null },
}

/**
 * The viewers' contracts of this hub, in memory: after a restart viewers come back by themselves and ask again. A
 * ticket is a secret of one contract, kept as its hash. One connection at a time uses a ticket.
 */
export class ViewerFlows implements ViewerAdmission, Disposable {
  readonly #entries = new Map<string, Entry>()
  readonly #places = new ViewerPlaces()
  readonly #byTicket = new Map<string, string>()
  /** Ceilings set by hand for viewers without a token. They stay with the connection. */
  readonly #limits = new WeakMap<ContractListener, number>()
  /** Of streams, among those of one viewer. */
  readonly #priorities = new Map<string, number>()
  readonly #unusedUntil: Deadlines
  readonly #expiry: Deadlines
  readonly #streams: WatchedStreams
  readonly #clock: Clock
  readonly #relays: ViewerRelays

  constructor(streams: WatchedStreams, clock: Clock = SYSTEM_CLOCK, relays?: ContractRelays) {
    this.#relays = new ViewerRelays(relays)
    this.#streams = streams
    this.#clock = clock
    this.#expiry = new Deadlines((contractId) => this.end(contractId, 'expired'), clock.steady)
    this.#unusedUntil = new Deadlines((contractId) => {
      if (this.#entries.get(contractId)?.listener === null) this.#drop(contractId)
    }, clock.steady)
  }

  /** Number of viewers with a place now: connected, or granted and expected any moment. */
  get size(): number {
    return this.#entries.size
  }

  list(): readonly ListedViewer[] {
    return Array.from(this.#entries.values(), ({ flow, listener }) => ({
      ...flow,
      connected: listener !== null,
      path: this.#relays.named(listener?.path() ?? null),
    }))
  }

  /** The flow whose viewer holds this ticket. */
  ofTicket(ticket: string): ViewerFlow | undefined {
    const contractId = this.#byTicket.get(hashOf(ticket))
    return contractId === undefined ? undefined : this.get(contractId)
  }

  get(contractId: string): ViewerFlow | undefined {
    return this.#entries.get(contractId)?.flow
  }

  /**
   * The relays of a contract, with credentials of this moment.
   * @param lifetimeS life of the credentials, s; minutes where left out
   */
  ice(contractId: string, lifetimeS?: number): IceAccess {
    const entry = this.#entries.get(contractId)
    return entry ? this.#relays.ice(entry.flow, lifetimeS) : NO_RELAYS
  }

  /** Number of viewers for whom a tenant, or one of its streams, has a place now. */
  countOf(tenantId: string, streamId?: string): number {
    return this.#places.countOf(tenantId, streamId)
  }

  /** How many places would stay, if a seeker got one more. */
  taken(seeker: Seeker): PlacesTaken {
    return this.#places.taken(seeker)
  }

  /** Whether the caller watches the stream now and asks for the next contract: the caller has a place already. */
  isRenewal(seeker: Seeker): boolean {
    return this.#renewable(seeker) !== undefined
  }

  /**
   * Takes up a contract and returns the ticket with which its viewer joins. Where there are too many contracts, unused
   * ones give way.
   */
  grant(flow: ViewerGrant, ceilings: PlaceCeilings = NO_CEILINGS): string {
    for (;;) {
      const givingWay = this.#places.givingWay(flow, ceilings)
      if (givingWay === undefined || !this.end(givingWay, 'revoked')) break
    }
    if (this.#places.isFull(flow, ceilings)) {
      // The previous contract is given back in a moment. Only once: otherwise it would be worth any number of places.
      const before = this.#renewable(flow)
      if (before) before.renewed = true
    }
    const ticket = newTicket()
    const ticketHash = hashOf(ticket)
    const endsAt = steadyOf(this.#clock, flow.expiresAt)
    const entry: Entry = {
      flow: { ...flow, limitKbps: null },
      granted: flow.abr,
      ticketHash,
      endsAt,
      dueAt: endsAt - (endsAt - this.#clock.steady()) * DUE_FOR,
      renewed: false,
      listener: null,
    }
    this.#entries.set(flow.contractId, entry)
    this.#apply(entry, this.#streams.limitOf?.(flow) ?? null)
    this.#byTicket.set(ticketHash, flow.contractId)
    this.#places.add(flow)
    this.#relays.add(flow)
    this.#expiry.set(flow.contractId, endsAt)
    this.#unusedUntil.set(flow.contractId, this.#clock.steady() + USE_WITHIN_MS)
    return ticket
  }

  admit(ticket: string, listener: ContractListener): AdmittedViewer {
    const contractId = this.#byTicket.get(hashOf(ticket))
    const entry = contractId === undefined ? undefined : this.#entries.get(contractId)
    if (!entry)
      throw new CodedError('unknown_ticket', 'the ticket is unknown or its contract is over: subscribe again')
    if (entry.listener)
      throw new CodedError('ticket_in_use', 'another connection uses this ticket: subscribe again')
    const { flow } = entry
    const stream = this.#streams.get(flow.tenantId, flow.streamId)
    if (!stream) throw new CodedError('stream_not_found', 'there is no such stream now')
    entry.listener = listener
    this.#unusedUntil.delete(flow.contractId)
    this.#apply(entry, this.#limits.get(listener) ?? entry.flow.limitKbps)
    return {
      contractId: flow.contractId,
      anonymous: flow.holder.anonymous,
      stream,
      abr: entry.flow.abr,
      priority: this.priorityOf(flow.tenantId, flow.streamId),
      ice: () => this.#relays.ice(entry.flow),
      passRelays: (next) => this.#relays.pass(flow.contractId, next),
      connected: () => {
        if (entry.listener === listener && this.#entries.get(flow.contractId) === entry)
          this.#places.used(flow)
      },
      away: () => {
        if (entry.listener === listener && this.#entries.get(flow.contractId) === entry)
          this.#places.left(flow)
      },
      leave: () => {
        // Only once: the place may belong to another connection by now.
        if (entry.listener !== listener) return
        entry.listener = null
        if (this.#entries.get(flow.contractId) === entry) this.#drop(flow.contractId)
      },
      [Symbol.dispose]: () => {
        if (entry.listener !== listener) return
        entry.listener = null
        if (this.#entries.get(flow.contractId) !== entry) return
        this.#places.left(flow)
        this.#unusedUntil.set(flow.contractId, this.#clock.steady() + USE_WITHIN_MS)
      },
    }
  }

  /** Ends one contract. Its media stops at once. Returns false when there is no such contract. */
  end(contractId: string, reason: 'expired' | 'revoked'): boolean {
    const entry = this.#entries.get(contractId)
    if (!entry) return false
    this.#forget(entry)
    // The connection may have other contracts, which go on by the same transport.
    entry.listener?.contractEnded(reason)
    this.#relays.end(contractId)
    return true
  }

  /** A stream is over, and with it every contract on it. */
  endAll(tenantId: string, streamId: string, reason: 'expired' | 'revoked'): void {
    this.#priorities.delete(streamOf({ tenantId, streamId }))
    for (const { flow } of Array.from(this.#entries.values()))
      if (flow.tenantId === tenantId && flow.streamId === streamId) this.end(flow.contractId, reason)
  }

  /** New bitrate bounds for a running contract. Unchanged bounds are not told again. */
  bound(contractId: string, abr: Abr, reasons: readonly string[]): void {
    const entry = this.#entries.get(contractId)
    if (!entry || isDeepStrictEqual(entry.granted, abr)) return
    entry.granted = abr
    this.#apply(entry, entry.flow.limitKbps)
    entry.listener?.abrChanged(entry.flow.abr, reasons)
  }

  /**
   * A ceiling set by hand, kb/s, from now on; null takes it away. With a token it is for everything that the token's
   * subject watches of the stream, without a token for this connection.
   */
  limit(contractId: string, maxKbps: number | null): void {
    const named = this.#entries.get(contractId)
    if (!named) return
    const { tenantId, streamId, holder } = named.flow
    const isSame = ({ flow }: Entry) =>
      flow.tenantId === tenantId &&
      flow.streamId === streamId &&
      !flow.holder.anonymous &&
      flow.holder.name === holder.name
    const held = holder.anonymous ? [named] : Array.from(this.#entries.values()).filter(isSame)
    const reason = maxKbps === null ? 'the ceiling set by hand is gone' : `held to ${maxKbps} kb/s by hand`
    for (const entry of held) {
      this.#apply(entry, maxKbps)
      if (!entry.listener) continue
      if (maxKbps === null) this.#limits.delete(entry.listener)
      else this.#limits.set(entry.listener, maxKbps)
      entry.listener.abrChanged(entry.flow.abr, [reason])
    }
  }

  /**
   * A stream's priority among the streams of one viewer from now on, 1 to 255: the higher one gets its bandwidth first. Its
   * viewers are told.
   */
  prioritize(tenantId: string, streamId: string, priority: number): void {
    this.#priorities.set(streamOf({ tenantId, streamId }), priority)
    for (const { flow, listener } of this.#entries.values())
      if (flow.tenantId === tenantId && flow.streamId === streamId) listener?.priorityChanged(priority)
  }

  /** The priority that a stream has now, whether it is a publisher's, a switched one or a program's. */
  priorityOf(tenantId: string, streamId: string): number {
    return this.#priorities.get(streamOf({ tenantId, streamId })) ?? USUAL_PRIORITY
  }

  /** The machine's clock was set: contracts last as long as before, so their ends by that clock move. */
  clockStepped(): void {
    for (const entry of this.#entries.values())
      entry.flow = { ...entry.flow, expiresAt: wallOf(this.#clock, entry.endsAt) }
  }

  /** How media reaches a viewer, by its own word. `relay` is a node of the directory, or a URL that the hub does not know. */
  path(contractId: string): ViewerPath | null {
    return this.#relays.named(this.#entries.get(contractId)?.listener?.path() ?? null)
  }

  /** What runs now through the hub's own relay for a viewer. */
  relayed(contractId: string): ContractUsage | null {
    return this.#relays.usageOf(contractId)
  }

  /** Whether the caller, who asks for the next contract, watches through a relay although it need not. */
  needsRelay(seeker: Seeker): boolean {
    const renewed = this.#renewable(seeker)
    return renewed?.flow.relay.ice_transport_policy === 'all' && renewed.listener?.path()?.relayed === true
  }

  /** What a viewer gets now; null while the viewer has no media. */
  async statistics(contractId: string): Promise<ViewerMediaStatistics | null> {
    return (await this.#entries.get(contractId)?.listener?.statistics()) ?? null
  }

  [Symbol.dispose](): void {
    this.#expiry[Symbol.dispose]()
    this.#unusedUntil[Symbol.dispose]()
  }

  #renewable({ tenantId, streamId, holder }: Seeker): Entry | undefined {
    const now = this.#clock.steady()
    for (const entry of this.#entries.values()) {
      const { flow, listener, dueAt, renewed } = entry
      if (
        listener !== null &&
        !renewed &&
        dueAt <= now &&
        flow.tenantId === tenantId &&
        flow.streamId === streamId &&
        flow.holder.anonymous === holder.anonymous &&
        flow.holder.name === holder.name
      )
        return entry
    }
    return undefined
  }

  #apply(entry: Entry, limitKbps: number | null): void {
    const under = (kbps: number): number => (limitKbps === null ? kbps : Math.min(kbps, limitKbps))
    const { min_kbps, start_kbps, max_kbps } = entry.granted
    const abr = { min_kbps: under(min_kbps), start_kbps: under(start_kbps), max_kbps: under(max_kbps) }
    entry.flow = { ...entry.flow, abr, limitKbps }
  }

  #drop(contractId: string): void {
    const entry = this.#entries.get(contractId)
    if (!entry) return
    this.#forget(entry)
    this.#relays.end(contractId)
  }

  #forget({ flow, ticketHash }: Entry): void {
    this.#entries.delete(flow.contractId)
    this.#byTicket.delete(ticketHash)
    this.#places.remove(flow)
    this.#expiry.delete(flow.contractId)
    this.#unusedUntil.delete(flow.contractId)
  }
}
