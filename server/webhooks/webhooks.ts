import type { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Backoff } from '../../common/retry.ts'
import type { WebhookEvent, WebhookEventName, webhookEventSchema } from '../../common/wire/webhook.ts'
import type { AuthContext } from '../auth/auth-context.ts'
import { randomId } from '../auth/bearer-secret.ts'
import type { Actor } from '../auth/principal.ts'
import { Collection } from '../store/collection.ts'
import { AddressGuard } from './address-guard.ts'
import { deliver } from './deliver.ts'
import { DeliveryQueue, type Outcome, type Over } from './delivery-queue.ts'
import { signDelivery } from './signature.ts'
import { type Pending, pendingSchema, type WebhookInfo, webhookInfo } from './webhook-record.ts'
import {
  type NewWebhook,
  type StoredWebhook,
  type WebhookChange,
  WebhookRegistry,
} from './webhook-registry.ts'

const PENDING_KIND = 'webhook-delivery'
/** After this time, deliveries that a vanished hub left behind are adopted by another hub, ms. */
const ADOPT_AFTER_MS = 3_600_000

/** Least failures before a webhook is turned off: after days of its own absence a hub must not blame the receiver. */
const FAILURES_TO_DISABLE = 3

export interface WebhookLimits {
  /** Most deliveries that wait for one webhook. One more displaces the oldest. */
  readonly capacity: number
  readonly maxAttempts: number
  readonly backoff: Backoff
  /** A webhook to which nothing arrived for this long is turned off, ms. */
  readonly disableAfterMs: number
  /** Longest wait for the receiver's answer, ms. */
  readonly timeoutMs: number
}

export const WEBHOOK_LIMITS: WebhookLimits = {
  capacity: 1000,
  maxAttempts: 12,
  backoff: { initialMs: 1000, maxMs: 600_000, factor: 2 },
  disableAfterMs: 24 * 3_600_000,
  timeoutMs: 10_000,
}

export interface WebhooksOptions extends AuthContext {
  /** Tells the hubs on one database apart. The same after a restart. */
  readonly hubId: string
  /** Private networks that webhooks may go to all the same, `127.0.0.0/8`; none by default. */
  readonly allowedNetworks?: readonly string[] | undefined
  readonly limits?: Partial<WebhookLimits> | undefined
  /** CAs for receivers' certificates, PEM; the system's by default. */
  readonly ca?: string | undefined
  /** A fault that the tenant should hear of. */
  readonly onAlarm?: ((alarm: WebhookAlarm) => void) | undefined
}

export interface WebhookAlarm {
  readonly kind: 'disabled' | 'given-up' | 'displaced'
  readonly tenant_id: string
  readonly webhook_id: string
  readonly reason: string
}

/** An event as its reporter knows it. */
export interface HappenedEvent {
  readonly event: WebhookEventName
  readonly tenant_id: string
  readonly data: z.infer<typeof webhookEventSchema>['data']
  /** Unix milliseconds; now by default. */
  readonly at?: number
}

/**
 * Tells the tenants' webhooks what happened, each event at least once: the store keeps a delivery until it arrived, so
 * that a restart loses none. `event_id` tells doubles.
 */
export class Webhooks implements AsyncDisposable {
  readonly #options: WebhooksOptions
  readonly #limits: WebhookLimits
  readonly #guard: AddressGuard
  readonly #registry: WebhookRegistry
  readonly #pending: Collection<Pending>
  readonly #queues = new Map<string, DeliveryQueue>()
  readonly #behindWork = new Set<Promise<unknown>>()
  /** Attempts that failed one after another since this hub started. */
  readonly #failures = new Map<string, number>()
  #closed = false
  #stamp = 0

  private constructor(options: WebhooksOptions, guard: AddressGuard, registry: WebhookRegistry) {
    this.#options = options
    this.#limits = { ...WEBHOOK_LIMITS, ...options.limits }
    this.#guard = guard
    this.#registry = registry
    this.#pending = new Collection(options.store, PENDING_KIND, pendingSchema)
  }

  /** Goes on with deliveries from before. @throws CodedError `bad_config` for an invalid network */
  static async open(options: WebhooksOptions): Promise<Webhooks> {
    const guard = new AddressGuard(options.allowedNetworks)
    const webhooks = new Webhooks(options, guard, await WebhookRegistry.open(options, guard))
    await webhooks.#resume()
    return webhooks
  }

  list(tenantId: string): WebhookInfo[] {
    return this.#registry.list(tenantId).map((webhook) => this.#info(webhook))
  }

  /** @throws CodedError `webhook_not_found` (404) */
  async get(tenantId: string, webhookId: string): Promise<WebhookInfo> {
    return this.#info(await this.#registry.find(tenantId, webhookId))
  }

  /** `secret` is shown now and never again. @throws CodedError `webhook_url` (400), `too_many_webhooks` (409) */
  async create(wanted: NewWebhook): Promise<{ webhook: WebhookInfo; secret: string }> {
    const { webhook, secret } = await this.#registry.create(wanted)
    return { webhook: this.#info(webhook), secret }
  }

  /** @throws CodedError `webhook_not_found` (404), `webhook_url` (400), `version_conflict` (412) */
  async update(
    tenantId: string,
    webhookId: string,
    change: WebhookChange,
    by: Actor,
    expectedVersion?: number,
  ): Promise<WebhookInfo> {
    const webhook = await this.#registry.update(tenantId, webhookId, change, by, expectedVersion)
    if (!webhook.value.enabled) await this.#drop(webhook)
    return this.#info(webhook)
  }

  /** Returns the new secret. For a day deliveries are signed with the old secret as well. */
  async rotateSecret(tenantId: string, webhookId: string, by: Actor): Promise<string> {
    return await this.#registry.rotateSecret(tenantId, webhookId, by)
  }

  /** @throws CodedError `webhook_not_found` (404) */
  async remove(tenantId: string, webhookId: string, by: Actor): Promise<void> {
    const webhook = await this.#registry.find(tenantId, webhookId)
    await this.#registry.remove(tenantId, webhookId, by)
    await this.#drop(webhook)
  }

  /**
   * Sends `webhook.test`; returns the event's id. @throws CodedError `webhook_not_found` (404), `webhook_disabled`
   * (409)
   */
  async sendTest(tenantId: string, webhookId: string): Promise<string> {
    const webhook = await this.#registry.find(tenantId, webhookId)
    if (!webhook.value.enabled) throw new CodedError('webhook_disabled', 'the webhook is turned off')
    const event = this.#event({ event: 'webhook.test', tenant_id: tenantId, data: {} })
    await this.#enqueue([webhook], event)
    return event.event_id
  }

  /** Resolves when the event is stored for every webhook that wants it; returns their number. @throws as Store.write */
  async publish(happened: HappenedEvent): Promise<number> {
    if (this.#closed) return 0
    const wanting = this.#registry
      .list(happened.tenant_id)
      .filter(
        ({ value }) => value.enabled && value.events.some((one) => one === '*' || one === happened.event),
      )
    if (wanting.length > 0) await this.#enqueue(wanting, this.#event(happened))
    return wanting.length
  }

  /** As `publish`, for callers who could do nothing about a failure, which is logged. Never rejects. */
  report(happened: HappenedEvent): Promise<void> {
    return this.#behind(this.publish(happened), `an event for webhooks was lost: ${happened.event}`)
  }

  /** Ends the deliveries under way. They are made after the next start. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all(this.#behindWork)
    await Promise.all([...this.#queues.values()].map((queue) => queue[Symbol.asyncDispose]()))
    await Promise.all(this.#behindWork)
    this.#queues.clear()
    await this.#registry[Symbol.asyncDispose]()
  }

  /** Runs work in the background. Only the end of the hub waits for it. */
  #behind(work: Promise<unknown>, failure: string): Promise<void> {
    const tracked = work
      .then(() => {})
      .catch((error: unknown) => this.#options.logger.error({ reason: messageOf(error) }, failure))
      .finally(() => this.#behindWork.delete(tracked))
    this.#behindWork.add(tracked)
    return tracked
  }

  #info(webhook: StoredWebhook): WebhookInfo {
    return webhookInfo(webhook, this.#queues.get(webhook.id)?.length ?? 0)
  }

  #event({ event, tenant_id, data, at }: HappenedEvent): WebhookEvent {
    const now = this.#options.now()
    // Ids grow, also within a millisecond, so that what waits is listed in its order.
    this.#stamp = Math.max(now, this.#stamp + 1)
    const event_id = `${this.#stamp.toString(36).padStart(9, '0')}-${randomId()}`
    return { event_id, event, tenant_id, at: at ?? now, data }
  }

  async #enqueue(webhooks: readonly StoredWebhook[], event: WebhookEvent): Promise<void> {
    const { store, hubId, now } = this.#options
    await store.write(
      webhooks.map(({ tenant_id, id }) => {
        const pending = { webhook_id: id, hub_id: hubId, event, queued_at: now() }
        return this.#pending.putChange(tenant_id, `${id}.${event.event_id}`, pending)
      }),
    )
    await Promise.all(webhooks.map(({ id }) => this.#queue(id).add(event)))
  }

  #queue(webhookId: string): DeliveryQueue {
    const present = this.#queues.get(webhookId)
    if (present) return present
    const { capacity, maxAttempts, backoff } = this.#limits
    const queue = new DeliveryQueue({
      capacity,
      maxAttempts,
      backoff,
      attempt: (event, attempt, signal) => this.#attempt(webhookId, event, attempt, signal),
      onOutcome: (outcome, reason) => this.#onOutcome(webhookId, outcome, reason),
      onOver: (event, how, reason) => this.#onOver(webhookId, event, how, reason),
    })
    this.#queues.set(webhookId, queue)
    return queue
  }

  async #attempt(id: string, event: WebhookEvent, attempt: number, signal: AbortSignal): Promise<number> {
    const webhook = this.#registry.byId(id)
    if (!webhook) throw new CodedError('webhook_not_found', 'the webhook is gone')
    const { now, ca } = this.#options
    const body = JSON.stringify(event)
    const signed = { id: event.event_id, timestamp: Math.floor(now() / 1000), body }
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'lanecast-webhook/1',
      'lanecast-event': event.event,
      'lanecast-attempt': String(attempt),
      'webhook-id': signed.id,
      'webhook-timestamp': String(signed.timestamp),
      'webhook-signature': signDelivery(this.#registry.secretsOf(webhook), signed),
    }
    const url = new URL(webhook.value.url)
    const { timeoutMs } = this.#limits
    return await deliver({ url, headers, body }, { guard: this.#guard, ca, timeoutMs, signal })
  }

  /** False where the webhook is off: its queue ends. */
  async #onOutcome(id: string, outcome: Outcome, reason: string): Promise<boolean> {
    const webhook = this.#registry.byId(id)
    if (!webhook?.value.enabled) return false
    const { logger, now } = this.#options
    const since = webhook.value.failing_since
    const failures = outcome === 'arrived' ? 0 : (this.#failures.get(id) ?? 0) + 1
    this.#failures.set(id, failures)
    try {
      if (outcome === 'arrived') {
        if (since !== null) await this.#registry.noteFailing(webhook, null)
        return true
      }
      logger.debug({ webhook_id: id, reason }, 'a webhook was not delivered')
      if (outcome === 'failed' && since === null) await this.#registry.noteFailing(webhook, now())
      const long = since !== null && now() - since >= this.#limits.disableAfterMs
      if (outcome === 'failed' && !(long && failures >= FAILURES_TO_DISABLE)) return true
      await this.#registry.disable(
        webhook,
        outcome === 'gone' ? reason : `nothing arrived for long: ${reason}`,
      )
    } catch (error) {
      // Somebody changed the webhook at this moment, or the database is away: the next attempt notes it.
      logger.debug({ webhook_id: id, reason: messageOf(error) }, 'the state of a webhook could not be stored')
      return true
    }
    this.#alarm('disabled', webhook, reason)
    void this.#behind(this.#drop(webhook), 'deliveries of a webhook that is off could not be deleted')
    return false
  }

  async #onOver(id: string, event: WebhookEvent, how: Over, reason: string): Promise<void> {
    const { logger } = this.#options
    const webhook = this.#registry.byId(id)
    if (how !== 'arrived' && webhook) this.#alarm(how, webhook, reason)
    try {
      await this.#pending.delete(event.tenant_id, `${id}.${event.event_id}`)
    } catch (error) {
      // The delivery is made again after the next start: deliveries are at least once.
      logger.debug({ webhook_id: id, reason: messageOf(error) }, 'a finished delivery could not be deleted')
    }
  }

  /** Forgets what waits for a webhook that is off or gone. */
  async #drop({ tenant_id, id }: StoredWebhook): Promise<void> {
    const queue = this.#queues.get(id)
    this.#queues.delete(id)
    this.#failures.delete(id)
    const pending = await this.#pending.list(tenant_id, { after: `${id}.` })
    const own = pending.filter(({ value }) => value.webhook_id === id)
    for (let start = 0; start < own.length; start += 100)
      await this.#options.store.write(
        own.slice(start, start + 100).map((one) => this.#pending.deleteChange(tenant_id, one.id)),
      )
    await queue?.[Symbol.asyncDispose]()
  }

  async #resume(): Promise<void> {
    const { hubId, now } = this.#options
    for (const { id, tenant_id, value } of await this.#pending.list(null)) {
      const abandoned = now() - value.queued_at > ADOPT_AFTER_MS
      if (value.hub_id !== hubId && !abandoned) continue
      const enabled = this.#registry.byId(value.webhook_id)?.value.enabled === true
      if (enabled) await this.#queue(value.webhook_id).add(value.event)
      else await this.#pending.delete(tenant_id, id)
    }
  }

  #alarm(kind: WebhookAlarm['kind'], { tenant_id, id }: StoredWebhook, reason: string): void {
    const { logger, onAlarm } = this.#options
    logger.warn({ webhook_id: id, tenant_id, kind, reason }, `webhook: ${kind}`)
    onAlarm?.({ kind, tenant_id, webhook_id: id, reason })
  }
}
