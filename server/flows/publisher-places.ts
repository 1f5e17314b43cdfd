import { setTimeout as delay } from 'node:timers/promises'
import { CodedError } from '../../common/errors.ts'
import type { WayReport } from '../../common/wire/publisher-protocol.ts'
import type { Publisher } from '../../sfu/publisher.ts'
import type { Stream } from '../../sfu/stream.ts'
import type {
  PublisherAdmission,
  PublisherPlace,
  PublishingListener,
} from '../../signaling/publisher-admission.ts'
import type { PublisherFlows } from './publisher-flows.ts'

/** How long media goes on without the connection that signalled it, ms. */
const MEDIA_STAYS_MS = 15_000

/** A new publisher has this long to connect, ms. Until then, media that does not come has not stopped. */
const COMES_WITHIN_MS = 4000

/** Media has stopped when nothing of it comes for this long while somebody asks for the place, ms. */
const LOOK_FOR_MS = 800
/** How long an observation holds, ms. */
const SEEN_FOR_MS = 1000

/** When to ask again for a place whose media still arrives, s. */
const ASK_AGAIN_S = 1

interface Holder {
  readonly publisherId: string | null
  readonly listener: PublishingListener
  readonly stopListening: () => void
  /** By the steady clock, ms. */
  readonly since: number
}

/** A contract's place: at most one holder, and the media, which may outlive a lost connection for a while. */
interface Entry {
  readonly stream: Stream
  holder: Holder | null
  publisher: Publisher | null
  leaving: NodeJS.Timeout | undefined
  /** Set while somebody watches whether media still arrives. */
  looking: Promise<void> | null
  /** The last time when nothing had arrived for a while, by the steady clock, ms. */
  quietAt: number | null
}

export interface PublisherPlacesOptions {
  readonly flows: Pick<PublisherFlows, 'ofTicket' | 'listen' | 'end' | 'contractOf'>
  readonly findStream: (tenantId: string, streamId: string) => Stream | undefined
  /** A field sender says how its links reach the hub. */
  readonly reportWays?: (contractId: string, report: WayReport) => void
  /** A clock that never steps, ms. */
  readonly now?: () => number
  /** How long to watch for media, ms; 800 by default. */
  readonly lookForMs?: number
}

/** The places of all publishers with a ticket: over protoo and over WHIP. */
export class PublisherPlaces implements PublisherAdmission, Disposable {
  readonly #flows: PublisherPlacesOptions['flows']
  readonly #findStream: PublisherPlacesOptions['findStream']
  readonly #reportWays: NonNullable<PublisherPlacesOptions['reportWays']>
  readonly #now: () => number
  readonly #lookForMs: number
  readonly #entries = new Map<string, Entry>()

  constructor({
    flows,
    findStream,
    reportWays = () => {},
    now = () => performance.now(),
    lookForMs = LOOK_FOR_MS,
  }: PublisherPlacesOptions) {
    this.#flows = flows
    this.#findStream = findStream
    this.#reportWays = reportWays
    this.#now = now
    this.#lookForMs = lookForMs
  }

  async look(ticket: string, publisherId: string | null): Promise<void> {
    const flow = this.#flows.ofTicket(ticket)
    const entry = flow && this.#entries.get(flow.contract.contract_id)
    if (!entry?.holder || sameProgram(entry.holder, publisherId) || this.#hasStopped(entry)) return
    entry.looking ??= this.#look(entry).finally(() => {
      entry.looking = null
    })
    await entry.looking
  }

  admit(ticket: string, publisherId: string | null, listener: PublishingListener): PublisherPlace {
    const flow = this.#flows.ofTicket(ticket)
    if (!flow)
      throw new CodedError('unknown_ticket', 'the ticket is unknown or its contract is over: publish again')
    const { contract_id, tenant_id, stream_id } = flow.contract
    const stream = this.#findStream(tenant_id, stream_id)
    if (!stream) throw new CodedError('stream_not_found', 'there is no such stream now')
    const entry = this.#entryOf(contract_id, stream)
    const before = entry.holder
    if (before && !sameProgram(before, publisherId) && !this.#hasStopped(entry)) throw taken(stream_id)
    const holder: Holder = {
      publisherId,
      listener,
      since: this.#now(),
      stopListening: this.#flows.listen(contract_id, (event) => {
        if (event.type === 'contract') listener.contractChanged(event.contract)
        else this.#over(contract_id, entry, listener, event.reason)
      }),
    }
    // Takes the place before the other holder is told to go: what that holder gives back is then no longer the place.
    entry.holder = holder
    entry.quietAt = null
    clearTimeout(entry.leaving)
    if (before) {
      before.stopListening()
      before.listener.takenOver()
      if (!sameProgram(before, publisherId)) this.#closeMedia(entry)
    }
    return {
      stream,
      contract: this.#flows.contractOf(flow),
      ice: () => this.#flows.contractOf(this.#flows.ofTicket(ticket) ?? flow).join,
      get publisher() {
        return entry.holder === holder && entry.publisher?.alive ? entry.publisher : null
      },
      set publisher(publisher) {
        const gone = entry.holder === holder ? entry.publisher : publisher
        if (entry.holder === holder) entry.publisher = publisher
        if (gone !== entry.publisher) void gone?.[Symbol.asyncDispose]()
      },
      reportWays: (report) => {
        if (entry.holder === holder) this.#reportWays(contract_id, report)
      },
      end: async () => {
        await this.#flows.end(contract_id, 'revoked', flow.owner, 'its publisher is done')
      },
      [Symbol.dispose]: () => {
        holder.stopListening()
        if (entry.holder === holder) this.#left(contract_id, entry)
      },
    }
  }

  /** Whether somebody publishes by this contract now who would not give way to another with the same token. */
  isTaken(contractId: string): boolean {
    const entry = this.#entries.get(contractId)
    return entry?.holder != null && !this.#hasStopped(entry)
  }

  [Symbol.dispose](): void {
    for (const { leaving } of this.#entries.values()) clearTimeout(leaving)
  }

  #entryOf(contractId: string, stream: Stream): Entry {
    const known = this.#entries.get(contractId)
    if (known) return known
    const entry: Entry = {
      stream,
      holder: null,
      publisher: null,
      leaving: undefined,
      looking: null,
      quietAt: null,
    }
    this.#entries.set(contractId, entry)
    return entry
  }

  /**
   * Whether the media of the place's holder has stopped. A field sender's media comes by RIST, and its stream knows.
   * For a while the hub can't tell a cut connection from one that is there.
   */
  #hasStopped({ holder, publisher, stream, quietAt }: Entry): boolean {
    if (!holder || this.#now() - holder.since < COMES_WITHIN_MS) return false
    if (quietAt !== null && this.#now() - quietAt < SEEN_FOR_MS) return true
    if (publisher?.alive) return publisher.isSilent(holder.listener.sendsAlways)
    return stream.state.state === 'input_lost'
  }

  /** Watches whether the packets arrive that should. */
  async #look(entry: Entry): Promise<void> {
    const { holder, publisher } = entry
    if (!holder || !publisher?.alive) return
    const arrived = () => publisher.packetsExpected(holder.listener.sendsAlways)
    const before = await arrived()
    if (before === null) return
    await delay(this.#lookForMs)
    if (entry.holder === holder && entry.publisher === publisher)
      entry.quietAt = (await arrived()) === before ? this.#now() : null
  }

  #left(contractId: string, entry: Entry): void {
    entry.holder = null
    if (!entry.publisher?.alive) this.#forget(contractId, entry)
    else entry.leaving = setTimeout(() => this.#drop(contractId, entry), MEDIA_STAYS_MS).unref()
  }

  #over(contractId: string, entry: Entry, listener: PublishingListener, reason: 'expired' | 'revoked'): void {
    this.#drop(contractId, entry)
    listener.contractEnded(reason)
  }

  #drop(contractId: string, entry: Entry): void {
    clearTimeout(entry.leaving)
    this.#forget(contractId, entry)
    this.#closeMedia(entry)
  }

  #closeMedia(entry: Entry): void {
    void entry.publisher?.[Symbol.asyncDispose]()
    entry.publisher = null
  }

  #forget(contractId: string, entry: Entry): void {
    if (this.#entries.get(contractId) === entry) this.#entries.delete(contractId)
  }
}

/** Whether this is a program on another connection of its own; null is always another program. */
function sameProgram({ publisherId }: Holder, other: string | null): boolean {
  return other !== null && publisherId === other
}

/** 409 where somebody already publishes by the same token. */
export function taken(streamId: string): CodedError {
  return new CodedError('stream_taken', `stream ${streamId} is being published already`, {
    retryAfterSeconds: ASK_AGAIN_S,
    details: ['whoever has the same token may take over as soon as its media stops'],
  })
}
