import { type Clock, SYSTEM_CLOCK, steadyOf, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { FlowEvent } from '../../common/wire/flows-api.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { ContractNews } from '../facts/fact.ts'
import { type ContractRelays, NO_CONTRACT_RELAYS } from '../relays/contract-relays.ts'
import { Collection } from '../store/collection.ts'
import type { Sealer } from '../store/sealing.ts'
import type { Store } from '../store/store.ts'
import { ChangesInTurn } from './changes-in-turn.ts'
import { hashOf } from './contract-secrets.ts'
import { Deadlines } from './deadlines.ts'
import { LateDeletions } from './late-deletions.ts'
import {
  contractOf,
  flowSecretsSchema,
  type LivePublisherFlow,
  type PublisherFlow,
  type StoredPublisherFlow,
  sameTerms,
  storedPublisherFlowSchema,
} from './publisher-flow.ts'

/** Starts and stops media with its contract. */
export interface PublisherMedia {
  /** Starts to listen for the flow's sender. @throws CodedError `ports_exhausted` (503) */
  open(flow: LivePublisherFlow): void
  /** The contract has a new version, or the stream another priority. */
  changed?(flow: LivePublisherFlow): void
  /** Stops the media, its lane, and its viewers. */
  close(flow: LivePublisherFlow, reason: 'expired' | 'revoked'): Promise<void>
}

/** Follows what running contracts use. */
export interface FlowWatcher {
  /** The hub begins to carry a contract, or the contract changed. */
  running(flow: LivePublisherFlow): void
  over(flow: LivePublisherFlow): void
  /**
   * News for everybody else, told only once they are true. A grant or a change is told when media listens and the store
   * has the contract, an end when media has stopped. A contract that could not begin is never told.
   */
  tell(flow: PublisherFlow, news: ContractNews): void
}

export type FlowListener = (event: FlowEvent) => void

/** The next version of a flow, and the record of the change. */
export interface FlowChange {
  readonly flow: LivePublisherFlow
  /** null: the contract stays as it was, and other changes are remembered until the next version. */
  readonly audit: AuditDraft | null
}

export interface PublisherFlowsOptions {
  readonly store: Store
  readonly sealer: Sealer
  /** Hubs that share a database leave each other's contracts alone. */
  readonly hubId: string
  readonly media: PublisherMedia
  readonly watcher: FlowWatcher
  readonly onError: (error: unknown) => void
  readonly relays?: ContractRelays
  readonly clock?: Clock
}

/**
 * The senders' contracts: in memory while they run, and in the store so that they survive a restart. What the store
 * acknowledged is what runs. A contract that ends takes its media with it at once.
 */
export class PublisherFlows implements Disposable {
  readonly #stored: Collection<StoredPublisherFlow>
  readonly #store: Store
  readonly #sealer: Sealer
  readonly #media: PublisherMedia
  readonly #watcher: FlowWatcher
  readonly #flows = new Map<string, LivePublisherFlow>()
  readonly #byStream = new Map<string, string>()
  /** By the hash of their ticket, so that the time of a look-up says nothing about a ticket. */
  readonly #byTicket = new Map<string, string>()
  readonly #listeners = new Map<string, Set<FlowListener>>()
  /** Changes of one contract happen one after the other. */
  readonly #turns = new ChangesInTurn()
  /** Contracts whose grant was not told yet. */
  readonly #beginning = new Set<string>()
  /** Ended contracts that the store has not deleted yet. */
  readonly #deletions = new LateDeletions()
  /** Ends of contracts by the steady clock, unix ms. */
  readonly #endsAt = new Map<string, number>()
  readonly #expiry: Deadlines
  readonly #clock: Clock
  readonly #onError: (error: unknown) => void
  readonly #hubId: string
  readonly #relays: ContractRelays

  constructor({
    store,
    sealer,
    hubId,
    media,
    watcher,
    onError,
    relays = NO_CONTRACT_RELAYS,
    clock = SYSTEM_CLOCK,
  }: PublisherFlowsOptions) {
    this.#clock = clock
    this.#hubId = hubId
    this.#relays = relays
    this.#watcher = watcher
    this.#store = store
    this.#stored = new Collection(store, 'contract', storedPublisherFlowSchema)
    this.#sealer = sealer
    this.#media = media
    this.#onError = onError
    this.#expiry = new Deadlines((contractId) => {
      this.end(contractId, 'expired', 'hub', 'its time was over').catch(onError)
    }, clock.steady)
  }

  /** Takes up the contracts from before a restart: their senders still send to the same ports. */
  async restore(now: number): Promise<void> {
    for (const { value } of await this.#stored.list(null)) {
      const { sealed_keys, hub_id, ...flow } = value
      if (hub_id !== this.#hubId) continue
      const { expires_at } = flow.contract
      if (expires_at <= now) {
        await this.#delete(flow, ended(flow, 'expired', 'hub', 'while the hub was down'))
        this.#watcher.tell(flow, 'expired')
        continue
      }
      try {
        const secrets = JSON.parse(this.#sealer.open(sealed_keys, placeOf(flow)))
        const live = { ...flow, ...flowSecretsSchema.parse(secrets) }
        this.#media.open(live)
        this.#add(live)
      } catch (error) {
        this.#onError(error)
        await this.#delete(flow, ended(flow, 'revoked', 'hub', 'it could not be taken up again'))
        this.#watcher.tell(flow, 'revoked')
      }
    }
  }

  list(): readonly LivePublisherFlow[] {
    return Array.from(this.#flows.values())
  }

  get(contractId: string): LivePublisherFlow | undefined {
    return this.#flows.get(contractId)
  }

  /**
   * The contract as its holder gets it, with fresh credentials for its relays.
   * @param lifetimeS life of the credentials, s; minutes where left out
   */
  contractOf(flow: LivePublisherFlow, lifetimeS?: number): FlowContract {
    const { tenant_id: tenantId, contract_id: contractId } = flow.contract
    const lease = { tenantId, contractId, holder: flow.owner, choice: flow.relay }
    return contractOf(flow, this.#relays.ice({ ...lease, ...(lifetimeS !== undefined && { lifetimeS }) }))
  }

  /** The flow whose publisher holds this ticket. */
  ofTicket(ticket: string): LivePublisherFlow | undefined {
    const contractId = this.#byTicket.get(hashOf(ticket))
    return contractId === undefined ? undefined : this.#flows.get(contractId)
  }

  ofStream(tenantId: string, streamId: string): LivePublisherFlow | undefined {
    const contractId = this.#byStream.get(`${tenantId}/${streamId}`)
    return contractId === undefined ? undefined : this.#flows.get(contractId)
  }

  /**
   * Stores a new flow and starts its media. If either fails, nothing of the flow remains.
   * @throws CodedError `stream_taken` (409), `contract_ended` (409) where it was revoked meanwhile
   */
  async begin(flow: LivePublisherFlow, audit: AuditDraft): Promise<void> {
    const { tenant_id, stream_id, contract_id } = flow.contract
    if (this.ofStream(tenant_id, stream_id))
      throw new CodedError('stream_taken', `stream ${stream_id} has a publisher already`)
    // Reserved before the first wait, so that two requests at once can't both get the stream.
    this.#beginning.add(contract_id)
    this.#add(flow)
    await this.#turns.run(contract_id, async () => {
      try {
        this.#media.open(flow)
        try {
          await this.#store.write([this.#change(flow, 0)], [audit])
        } catch (error) {
          // Whoever ended the flow meanwhile has closed it: its stream may belong to another contract by now.
          if (this.#flows.get(contract_id) === flow) await this.#media.close(flow, 'revoked')
          throw error
        }
      } catch (error) {
        this.#remove(contract_id)
        throw error
      } finally {
        this.#beginning.delete(contract_id)
      }
      this.#watcher.tell(this.#running(contract_id), 'granted')
    })
  }

  /**
   * Stores the next version of a running contract and tells its holder. Changes of one contract run one after the
   * other: `make` gets the result of the change before.
   * @throws CodedError `contract_ended` (409), and whatever `make` throws
   */
  async update(
    contractId: string,
    make: (running: LivePublisherFlow) => Promise<FlowChange>,
  ): Promise<LivePublisherFlow> {
    return this.#turns.run(contractId, async () => {
      const { flow, audit } = await make(this.#running(contractId))
      this.#running(contractId) // An end that comes after this change is stored after this change.
      if (audit === null) {
        this.#flows.set(contractId, flow)
        return flow
      }
      await this.#store.write([this.#change(flow)], [audit])
      const news = sameTerms(this.#running(contractId), flow) ? 'renewed' : 'updated'
      this.#add(flow)
      this.#media.changed?.(flow)
      this.#watcher.tell(flow, news)
      this.#tell(contractId, { type: 'contract', contract: this.contractOf(flow) })
      return flow
    })
  }

  /**
   * Stores a running stream's priority among those of one viewer, 1 to 255. Its holder is not told, because no term has
   * changed.
   * @param audit null where the record is written with another contract
   * @throws CodedError `contract_ended` (409)
   */
  async setPriority(contractId: string, priority: number, audit: AuditDraft | null): Promise<void> {
    await this.#turns.run(contractId, async () => {
      const change = this.#change({ ...this.#running(contractId), priority })
      await this.#store.write([change], audit === null ? [] : [audit])
      const flow = { ...this.#running(contractId), priority }
      this.#flows.set(contractId, flow)
      this.#media.changed?.(flow)
    })
  }

  /**
   * Ends a contract and its media. Returns false when there is no such contract.
   * @throws CodedError of the store. The contract is over all the same, and the store is asked until it has recorded
   * that.
   */
  async end(contractId: string, reason: 'expired' | 'revoked', actor: string, why: string): Promise<boolean> {
    const flow = this.#flows.get(contractId)
    if (!flow) return false
    const told = !this.#beginning.has(contractId)
    this.#remove(contractId)
    // Media first: whatever the store does, an ended contract carries nothing.
    const closed = this.#media.close(flow, reason)
    this.#tell(contractId, { type: 'ended', reason })
    this.#listeners.delete(contractId)
    const record = ended(flow, reason, actor, why)
    try {
      await this.#delete(flow, record)
    } catch (error) {
      // Otherwise the contract would be back after a restart.
      this.#deletions.add(() => this.#delete(flow, record))
      throw error
    } finally {
      await closed
      if (told) this.#watcher.tell(flow, reason)
    }
    return true
  }

  /**
   * The machine's clock was set. Contracts last as long as before, so their ends by that clock move, and these are
   * stored. Holders count the time themselves and are not told.
   * @throws CodedError of the store; a restart then finds the old ends
   */
  async clockStepped(): Promise<void> {
    for (const flow of this.list()) {
      const { contract_id } = flow.contract
      const endsAt = this.#endsAt.get(contract_id)
      if (endsAt === undefined) continue
      const expires_at = wallOf(this.#clock, endsAt)
      this.#flows.set(contract_id, { ...flow, contract: { ...flow.contract, expires_at } })
    }
    await Promise.all(
      this.list().map(({ contract: { contract_id } }) =>
        // In turn with other changes, so that the last stored version is the one that runs.
        this.#turns.run(contract_id, async () => {
          const flow = this.#flows.get(contract_id)
          if (flow) await this.#store.write([this.#change(flow)])
        }),
      ),
    )
  }

  /** Subscribes to new versions and to the end. Call the returned function to stop. */
  listen(contractId: string, listener: FlowListener): () => void {
    const listeners = this.#listeners.get(contractId) ?? new Set()
    this.#listeners.set(contractId, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(contractId) === listeners)
        this.#listeners.delete(contractId)
    }
  }

  [Symbol.dispose](): void {
    this.#expiry[Symbol.dispose]()
    this.#deletions[Symbol.dispose]()
  }

  #delete({ contract }: PublisherFlow, audit: AuditDraft): Promise<void> {
    return this.#stored.delete(contract.tenant_id, contract.contract_id, { audit: [audit] })
  }

  /** @throws CodedError `contract_ended` (409) */
  #running(contractId: string): LivePublisherFlow {
    const flow = this.#flows.get(contractId)
    if (!flow) throw new CodedError('contract_ended', 'the contract ended meanwhile')
    return flow
  }

  #change(flow: LivePublisherFlow, expectedVersion?: number) {
    const { keys, ticket, ...rest } = flow
    const { tenant_id, contract_id } = flow.contract
    const stored = {
      ...rest,
      hub_id: this.#hubId,
      sealed_keys: this.#sealer.seal(JSON.stringify({ keys, ticket }), placeOf(flow)),
    }
    return this.#stored.putChange(tenant_id, contract_id, stored, expectedVersion)
  }

  #add(flow: LivePublisherFlow): void {
    const { contract_id, tenant_id, stream_id, expires_at } = flow.contract
    this.#flows.set(contract_id, flow)
    this.#byStream.set(`${tenant_id}/${stream_id}`, contract_id)
    this.#byTicket.set(hashOf(flow.ticket), contract_id)
    const endsAt = steadyOf(this.#clock, expires_at)
    this.#endsAt.set(contract_id, endsAt)
    this.#expiry.set(contract_id, endsAt)
    this.#watcher.running(flow)
  }

  #remove(contractId: string): void {
    const flow = this.#flows.get(contractId)
    if (!flow) return
    this.#flows.delete(contractId)
    this.#byStream.delete(`${flow.contract.tenant_id}/${flow.contract.stream_id}`)
    this.#byTicket.delete(hashOf(flow.ticket))
    this.#endsAt.delete(contractId)
    this.#expiry.delete(contractId)
    this.#relays.ended(contractId)
    this.#watcher.over(flow)
  }

  #tell(contractId: string, event: FlowEvent): void {
    for (const listener of this.#listeners.get(contractId) ?? []) listener(event)
  }
}

function placeOf({ contract: { tenant_id, contract_id: id } }: Pick<LivePublisherFlow, 'contract'>) {
  return { kind: 'contract', tenant_id, id, field: 'keys' }
}

function ended(
  { contract }: Pick<LivePublisherFlow, 'contract'>,
  reason: 'expired' | 'revoked',
  actor: string,
  why: string,
): AuditDraft {
  return {
    tenant_id: contract.tenant_id,
    at: Date.now(),
    actor,
    action: 'contract.end',
    object: `stream/${contract.stream_id}`,
    outcome: reason,
    detail: { contract_id: contract.contract_id, why },
  }
}
