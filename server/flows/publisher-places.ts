import { CodedError } from '../../common/errors.ts'
import type { Publisher } from '../../sfu/publisher.ts'
import type { Stream } from '../../sfu/stream.ts'
import type {
  PublisherAdmission,
  PublisherPlace,
  PublishingListener,
} from '../../signaling/publisher-admission.ts'
import { contractOf } from './publisher-flow.ts'
import type { PublisherFlows } from './publisher-flows.ts'

/** Media goes on this long without the connection that it was signalled over, ms. */
const MEDIA_STAYS_MS = 15_000

interface Holder {
  readonly publisherId: string | null
  readonly listener: PublishingListener
  readonly stopListening: () => void
}

/** A contract's place: at most one holder, and the media, which may outlive a lost connection for a while. */
interface Entry {
  holder: Holder | null
  publisher: Publisher | null
  leaving: NodeJS.Timeout | undefined
}

/** The places of all publishers that come by a ticket: over protoo, and over WHIP. */
export class PublisherPlaces implements PublisherAdmission, Disposable {
  readonly #flows: PublisherFlows
  readonly #findStream: (tenantId: string, streamId: string) => Stream | undefined
  readonly #entries = new Map<string, Entry>()

  constructor(flows: PublisherFlows, findStream: (tenantId: string, streamId: string) => Stream | undefined) {
    this.#flows = flows
    this.#findStream = findStream
  }

  admit(ticket: string, publisherId: string | null, listener: PublishingListener): PublisherPlace {
    const flow = this.#flows.ofTicket(ticket)
    if (!flow)
      throw new CodedError('unknown_ticket', 'the ticket is unknown or its contract is over: publish again', {
        status: 401,
      })
    const { contract_id, tenant_id, stream_id } = flow.contract
    const stream = this.#findStream(tenant_id, stream_id)
    if (!stream) throw new CodedError('stream_not_found', 'there is no such stream now', { status: 404 })
    const entry = this.#entryOf(contract_id)
    this.#makeRoom(entry, stream_id, publisherId)
    const stopListening = this.#flows.listen(contract_id, (event) => {
      if (event.type === 'contract') listener.contractChanged(event.contract)
      else this.#over(contract_id, listener, event.reason)
    })
    const holder: Holder = { publisherId, listener, stopListening }
    entry.holder = holder
    clearTimeout(entry.leaving)
    return {
      stream,
      contract: contractOf(flow),
      get publisher() {
        return entry.publisher?.alive ? entry.publisher : null
      },
      set publisher(publisher) {
        if (entry.publisher !== publisher) void entry.publisher?.[Symbol.asyncDispose]()
        entry.publisher = publisher
      },
      end: async () => {
        await this.#flows.end(contract_id, 'revoked', flow.owner, 'its publisher is done')
      },
      [Symbol.dispose]: () => {
        stopListening()
        if (entry.holder === holder) this.#left(contract_id, entry)
      },
    }
  }

  /** Whether somebody publishes by this contract now. */
  isTaken(contractId: string): boolean {
    return this.#entries.get(contractId)?.holder != null
  }

  [Symbol.dispose](): void {
    for (const { leaving } of this.#entries.values()) clearTimeout(leaving)
  }

  #entryOf(contractId: string): Entry {
    const known = this.#entries.get(contractId)
    if (known) return known
    const entry: Entry = { holder: null, publisher: null, leaving: undefined }
    this.#entries.set(contractId, entry)
    return entry
  }

  /** The same program's new connection takes the place of its old one; another's has to wait until it is free. */
  #makeRoom({ holder }: Entry, streamId: string, publisherId: string | null): void {
    if (!holder) return
    if (publisherId === null || holder.publisherId !== publisherId)
      throw new CodedError('stream_taken', `stream ${streamId} is being published already`, { status: 409 })
    holder.stopListening()
    holder.listener.takenOver()
  }

  #left(contractId: string, entry: Entry): void {
    entry.holder = null
    if (!entry.publisher?.alive) this.#entries.delete(contractId)
    else entry.leaving = setTimeout(() => this.#drop(contractId, entry), MEDIA_STAYS_MS).unref()
  }

  #over(contractId: string, listener: PublishingListener, reason: 'expired' | 'revoked'): void {
    const entry = this.#entries.get(contractId)
    if (entry) this.#drop(contractId, entry)
    listener.contractEnded(reason)
  }

  #drop(contractId: string, entry: Entry): void {
    clearTimeout(entry.leaving)
    this.#entries.delete(contractId)
    void entry.publisher?.[Symbol.asyncDispose]()
    entry.publisher = null
  }
}
