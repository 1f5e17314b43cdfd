import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { type Clock, SYSTEM_CLOCK, steadyOf, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import { backoffMs } from '../../common/retry.ts'
import {
  type Decision,
  type DecisionRequest,
  decisionRequestSchema,
  principalSchema,
} from '../../common/wire/decision.ts'
import type { Abr } from '../../common/wire/flow-contract.ts'
import { nodeIdSchema } from '../../common/wire/ids.ts'
import { streamClassSchema, streamIdSchema } from '../../common/wire/stream.ts'
import { mayActIn } from '../../policy/tenancy.ts'
import type { Stream } from '../../sfu/stream.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { AuthenticatedPrincipal } from '../auth/principal.ts'
import { Collection } from '../store/collection.ts'
import type { Store } from '../store/store.ts'
import { newContractId } from './contract-secrets.ts'
import { Deadlines } from './deadlines.ts'
import { auditOf, grantedOrThrow, type Taking } from './decision-book.ts'
import { LateDeletions } from './late-deletions.ts'
import { type Proof, proofOf, proofSchema } from './proof.ts'
import { ownerOf } from './publisher-flow.ts'

/** A contract is renewed when this share of its life is over. */
const RENEW_AT = 0.5
const RETRY = { initialMs: 1000, maxMs: 30_000, factor: 2 }
/** Most subscriptions of a tenant. */
const MOST_OF_TENANT = 200

const wishSchema = z.object({
  stream_id: streamIdSchema,
  /** The hub's program that takes the stream, for instance `record`. */
  purpose: z.string().min(1).max(32),
  class: streamClassSchema,
  /** Highest bitrate of the pictures, kb/s; null leaves that to the class. */
  max_kbps: z.number().int().min(50).max(200_000).nullable(),
})
export type SubscriptionWish = z.infer<typeof wishSchema>

const storedSchema = wishSchema.extend({
  /** The caller who asked. The subscription stands by that caller's rights. */
  principal: principalSchema,
  /** When the proof is revoked, the subscription ends. When the proof merely expires, the subscription stays. */
  proof: proofSchema.nullable(),
  hub_id: nodeIdSchema,
})
type Stored = z.infer<typeof storedSchema>

/** A subscription and its present state. */
export interface StandingSubscription extends SubscriptionWish {
  readonly subscriptionId: string
  readonly tenantId: string
  /** The caller who asked (see `ownerOf`). */
  readonly owner: string
  readonly proof: Proof | null
  /** null while the policy refuses, or the stream is not there. */
  readonly contract: { readonly abr: Abr; readonly expiresAt: number } | null
  /** Why there is no contract; null while there is one. */
  readonly refusal: string | null
  /** Media runs. */
  readonly running: boolean
}

/** Media of one subscription while it has a contract. */
export interface Taken extends Disposable {
  /** Changes the bitrate bounds. */
  bound(abr: Abr): void
}

/** A program of the hub's that takes streams. An error that it throws is reported, and the program is asked again. */
export type Taker = (stream: Stream, abr: Abr, subscription: StandingSubscription) => Taken

export interface StandingSubscriptionsOptions {
  readonly store: Store
  /** Hubs that share a database leave each other's subscriptions alone. */
  readonly hubId: string
  readonly streams: { get(tenantId: string, streamId: string): Stream | undefined }
  readonly onError: (error: unknown) => void
  readonly clock?: Clock
}

interface Kept {
  readonly subscriptionId: string
  readonly tenantId: string
  readonly stored: Stored
  /** The store has the subscription. A subscription that is not stored does not run. */
  standing: boolean
  /** `endsAt` is by the steady clock, unix ms. */
  contract: { readonly abr: Abr; readonly endsAt: number } | null
  refusal: string | null
  taken: { readonly stream: Stream; readonly media: Taken; abr: Abr } | null
  attempt: number
  timer: NodeJS.Timeout | undefined
}

/**
 * Subscriptions that stand until somebody ends them. The store keeps them, the policy grants them like a viewer's, and they
 * renew themselves. They do not count as viewers. While a subscription is refused, or its stream is away, it waits and
 * asks again.
 */
export class StandingSubscriptions implements Disposable {
  readonly #options: StandingSubscriptionsOptions
  readonly #clock: Clock
  readonly #documents: Collection<Stored>
  readonly #kept = new Map<string, Kept>()
  readonly #takers = new Map<string, Taker>()
  readonly #expiry: Deadlines
  /** Ended subscriptions that the store has not deleted yet. */
  readonly #deletions = new LateDeletions()
  #taking: Pick<Taking, 'decisions' | 'noteDecision'> | null = null

  constructor(options: StandingSubscriptionsOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#documents = new Collection(options.store, 'subscription', storedSchema)
    this.#expiry = new Deadlines((id) => this.#expired(id), this.#clock.steady)
  }

  /** Goes on with the subscriptions from before a restart. @throws CodedError of the store */
  async start(taking: Pick<Taking, 'decisions' | 'noteDecision'>): Promise<void> {
    this.#taking = taking
    for (const { id, tenant_id, value } of await this.#documents.list(null)) {
      if (value.hub_id !== this.#options.hubId) continue
      const kept = this.#keep(id, tenant_id, value)
      kept.standing = true
      this.#ask(kept)
    }
  }

  /** From now on a program takes the subscriptions with its purpose. Dispose of the returned object to stop. */
  serve(purpose: string, taker: Taker): Disposable {
    this.#takers.set(purpose, taker)
    const applyAll = () => {
      for (const kept of this.#kept.values()) if (kept.stored.purpose === purpose) this.#apply(kept)
    }
    applyAll()
    return {
      [Symbol.dispose]: () => {
        this.#takers.delete(purpose)
        applyAll()
      },
    }
  }

  /**
   * Stores a subscription and its audit record. Its stream need not be there yet.
   * @throws CodedError `denied` (403) for a caller without a token, the refusal of the policy, `saturated` (503), and
   *   errors of the store
   */
  async add(
    principal: AuthenticatedPrincipal,
    tenantId: string,
    wish: SubscriptionWish,
  ): Promise<StandingSubscription> {
    const { id, role, tenant_id, node_id, grants } = principal
    if (role === 'anonymous') throw new CodedError('denied', 'a subscription that stands needs a token')
    const stored: Stored = {
      ...wishSchema.parse(wish),
      principal: { id, role, tenant_id, node_id, grants },
      proof: proofOf(principal),
      hub_id: this.#options.hubId,
    }
    const others = Array.from(this.#kept.values()).filter((kept) => kept.tenantId === tenantId)
    if (others.length >= MOST_OF_TENANT)
      throw new CodedError('saturated', `the tenant has ${MOST_OF_TENANT} subscriptions that stand`)
    // Added before the first wait, so that of two calls at once only one gets the last place.
    const kept = this.#keep(newContractId(), tenantId, stored)
    try {
      const { decision, record } = this.#decide(kept)
      const missing = decision.outcome === 'refuse' && decision.refusal.code === 'stream_not_found'
      if (!(missing && mayActIn(principal, tenantId))) grantedOrThrow(decision)
      const change = this.#documents.putChange(tenantId, kept.subscriptionId, stored, 0)
      await this.#options.store.write([change], [record])
    } catch (error) {
      this.#kept.delete(kept.subscriptionId)
      throw error
    }
    kept.standing = true
    this.#ask(kept)
    return this.#shown(kept)
  }

  list(): readonly StandingSubscription[] {
    return Array.from(this.#kept.values()).flatMap((kept) => (kept.standing ? [this.#shown(kept)] : []))
  }

  /**
   * Ends a subscription, and its media at once. Returns false when there is no such subscription.
   * @throws CodedError of the store. The subscription is over all the same, and the store is asked until it has recorded
   *   that.
   */
  async end(subscriptionId: string, actor: string, why: string): Promise<boolean> {
    const kept = this.#kept.get(subscriptionId)
    if (!kept?.standing) return false
    this.#kept.delete(subscriptionId)
    clearTimeout(kept.timer)
    this.#lose(kept)
    const record: AuditDraft = {
      tenant_id: kept.tenantId,
      at: this.#clock.wall(),
      actor,
      action: 'subscription.end',
      object: `stream/${kept.stored.stream_id}`,
      outcome: 'revoked',
      detail: { subscription_id: subscriptionId, purpose: kept.stored.purpose, why },
    }
    try {
      await this.#delete(kept, record)
    } catch (error) {
      // Otherwise the subscription would be back after a restart.
      this.#deletions.add(() => this.#delete(kept, record))
      throw error
    }
    return true
  }

  /** A stream was opened. */
  streamOpened(tenantId: string, streamId: string): void {
    // The publisher's contract is taken up later in this turn of the event loop.
    setImmediate(() => this.#askAll(({ stored, ...kept }) => isOf(kept.tenantId, stored, tenantId, streamId)))
  }

  /** A stream is over, and so are the contracts on it. Its subscriptions wait for the next stream of that name. */
  streamClosed(tenantId: string, streamId: string): void {
    for (const kept of this.#kept.values())
      if (isOf(kept.tenantId, kept.stored, tenantId, streamId)) this.#lose(kept)
  }

  /** A tenant's policy changed: the tenant's subscriptions are held to the new policy. */
  policyChanged(tenantId: string): void {
    this.#askAll((kept) => kept.tenantId === tenantId)
  }

  [Symbol.dispose](): void {
    this.#taking = null
    this.#expiry[Symbol.dispose]()
    this.#deletions[Symbol.dispose]()
    for (const kept of this.#kept.values()) {
      clearTimeout(kept.timer)
      kept.taken?.media[Symbol.dispose]()
    }
    this.#kept.clear()
  }

  #keep(subscriptionId: string, tenantId: string, stored: Stored): Kept {
    const kept: Kept = {
      subscriptionId,
      tenantId,
      stored,
      standing: false,
      contract: null,
      refusal: null,
      taken: null,
      attempt: 0,
      timer: undefined,
    }
    this.#kept.set(subscriptionId, kept)
    return kept
  }

  #askAll(wanted: (kept: Kept) => boolean): void {
    for (const kept of this.#kept.values()) if (wanted(kept)) this.#ask(kept)
  }

  /** Asks the policy for a contract, or for the next contract, and sets the time of the next question. */
  #ask(kept: Kept): void {
    if (!this.#taking || !kept.standing) return
    const { decision, record } = this.#decide(kept)
    this.#taking.noteDecision(record, decision.outcome !== 'refuse').catch(this.#options.onError)
    let againMs = backoffMs(RETRY, kept.attempt)
    if (decision.outcome === 'refuse') {
      kept.refusal = decision.refusal.message
      kept.attempt += 1
    } else {
      const endsAt = steadyOf(this.#clock, decision.expires_at)
      kept.contract = { abr: decision.abr, endsAt }
      kept.refusal = null
      kept.attempt = 0
      this.#expiry.set(kept.subscriptionId, endsAt)
      againMs = (endsAt - this.#clock.steady()) * RENEW_AT
    }
    clearTimeout(kept.timer)
    kept.timer = setTimeout(() => this.#ask(kept), againMs).unref()
    this.#apply(kept)
  }

  #decide({ tenantId, stored, contract }: Kept): {
    readonly decision: Decision
    readonly record: AuditDraft
  } {
    const { principal, stream_id, class: streamClass, max_kbps } = stored
    const request: DecisionRequest = decisionRequestSchema.parse({
      action: 'subscribe',
      tenant_id: tenantId,
      stream_id,
      class: streamClass,
      ...(max_kbps !== null && { preference: { max_kbps } }),
    })
    if (!this.#taking) throw new CodedError('internal', 'subscriptions are not taken up yet')
    const decision = this.#taking.decisions.ask(principal, request, {
      program: { renews: contract !== null },
    })
    const about = auditOf(principal, request, decision)
    return { decision, record: { ...about, detail: { ...about.detail, purpose: stored.purpose } } }
  }

  /** Starts or stops media: it runs while there are a contract, a stream and a program that takes the stream. */
  #apply(kept: Kept): void {
    const { tenantId, stored, contract, taken } = kept
    const stream = contract ? this.#options.streams.get(tenantId, stored.stream_id) : undefined
    const taker = this.#takers.get(stored.purpose)
    if (contract && stream && taker && taken?.stream === stream) {
      if (isDeepStrictEqual(taken.abr, contract.abr)) return
      taken.abr = contract.abr
      return taken.media.bound(contract.abr)
    }
    taken?.media[Symbol.dispose]()
    kept.taken = null
    if (!contract || !stream || !taker) return
    try {
      const media = taker(stream, contract.abr, this.#shown(kept))
      kept.taken = { stream, media, abr: contract.abr }
    } catch (error) {
      this.#options.onError(error)
      clearTimeout(kept.timer)
      kept.timer = setTimeout(() => this.#ask(kept), backoffMs(RETRY, kept.attempt++)).unref()
    }
  }

  #expired(subscriptionId: string): void {
    const kept = this.#kept.get(subscriptionId)
    if (kept) this.#lose(kept)
  }

  /** The subscription has no contract any more. */
  #lose(kept: Kept): void {
    this.#expiry.delete(kept.subscriptionId)
    kept.contract = null
    this.#apply(kept)
  }

  #shown(kept: Kept): StandingSubscription {
    const { principal, proof, hub_id: _, ...wish } = kept.stored
    const { contract, subscriptionId, tenantId, refusal, taken } = kept
    return {
      ...wish,
      subscriptionId,
      tenantId,
      owner: ownerOf(principal),
      proof,
      contract: contract && { abr: contract.abr, expiresAt: wallOf(this.#clock, contract.endsAt) },
      refusal: contract ? null : refusal,
      running: taken !== null,
    }
  }

  #delete({ tenantId, subscriptionId }: Kept, record: AuditDraft): Promise<void> {
    return this.#documents.delete(tenantId, subscriptionId, { audit: [record] })
  }
}

function isOf(ownTenant: string, { stream_id }: Stored, tenantId: string, streamId: string): boolean {
  return ownTenant === tenantId && stream_id === streamId
}
