import { randomBytes } from 'node:crypto'
import { CodedError } from '../../common/errors.ts'
import type { WebhookSelection } from '../../common/wire/webhook.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { AuthContext } from '../auth/auth-context.ts'
import { randomId } from '../auth/bearer-secret.ts'
import { type Actor, actorName } from '../auth/principal.ts'
import type { Typed } from '../store/collection.ts'
import { Mirror } from '../store/mirror.ts'
import type { AddressGuard } from './address-guard.ts'
import { type WebhookRecord, webhookRecordSchema } from './webhook-record.ts'

const KIND = 'webhook'
const MAX_PER_TENANT = 20
/** How long a replaced secret goes on signing, ms. */
const PREVIOUS_SECRET_MS = 24 * 3_600_000

export interface NewWebhook {
  readonly tenant_id: string
  readonly url: string
  readonly events: WebhookSelection
  readonly description?: string | undefined
  readonly by: Actor
}

export interface WebhookChange {
  readonly url?: string | undefined
  readonly events?: WebhookSelection | undefined
  readonly description?: string | undefined
  /** Turning a webhook on again also forgets its failures. */
  readonly enabled?: boolean | undefined
}

export type StoredWebhook = Typed<WebhookRecord>

/** The tenants' webhooks, with their secrets sealed. */
export class WebhookRegistry implements AsyncDisposable {
  readonly #context: AuthContext
  readonly #guard: AddressGuard
  readonly #records: Mirror<WebhookRecord>

  private constructor(context: AuthContext, guard: AddressGuard, records: Mirror<WebhookRecord>) {
    this.#context = context
    this.#guard = guard
    this.#records = records
  }

  static async open(context: AuthContext, guard: AddressGuard): Promise<WebhookRegistry> {
    const records = await Mirror.open({ ...context, kind: KIND, schema: webhookRecordSchema })
    return new WebhookRegistry(context, guard, records)
  }

  byId(webhookId: string): StoredWebhook | undefined {
    return this.#records.get(webhookId)
  }

  list(tenantId: string): StoredWebhook[] {
    return [...this.#records.values()]
      .filter(({ tenant_id }) => tenant_id === tenantId)
      .sort((a, b) => a.value.created_at - b.value.created_at || (a.id < b.id ? -1 : 1))
  }

  /** @throws CodedError `webhook_not_found` (404), also for another tenant's */
  async find(tenantId: string, webhookId: string): Promise<StoredWebhook> {
    const record = await this.#records.find(webhookId)
    if (record?.tenant_id === tenantId) return record
    throw new CodedError('webhook_not_found', 'there is no such webhook')
  }

  /** Returns the secret too, for the only time. @throws CodedError `webhook_url` (400), `too_many_webhooks` (409) */
  async create(wanted: NewWebhook): Promise<{ webhook: StoredWebhook; secret: string }> {
    const { tenant_id, events, description = '', by } = wanted
    const url = this.#guard.checkUrl(wanted.url)
    if (this.list(tenant_id).length >= MAX_PER_TENANT)
      throw new CodedError('too_many_webhooks', `a tenant has at most ${MAX_PER_TENANT} webhooks`)
    const id = randomId()
    const secret = newSecret()
    const record: WebhookRecord = {
      url: url.href,
      events,
      description,
      secret: this.#context.sealer.seal(secret, place(tenant_id, id)),
      previous: null,
      previous_until: null,
      enabled: true,
      disabled_reason: null,
      failing_since: null,
      created_at: this.#context.now(),
      created_by: actorName(by),
    }
    const audit = [this.#audit(tenant_id, by, 'webhook.create', id, { host: url.host, events })]
    await this.#records.put(tenant_id, id, record, { expected_version: 0, audit })
    return { webhook: this.#records.get(id)!, secret }
  }

  /** @throws CodedError `webhook_not_found` (404), `webhook_url` (400), `version_conflict` (412) */
  async update(
    tenantId: string,
    webhookId: string,
    change: WebhookChange,
    by: Actor,
    expectedVersion?: number,
  ): Promise<StoredWebhook> {
    const { value, version } = await this.find(tenantId, webhookId)
    const next: WebhookRecord = {
      ...value,
      url: change.url === undefined ? value.url : this.#guard.checkUrl(change.url).href,
      events: change.events ?? value.events,
      description: change.description ?? value.description,
      enabled: change.enabled ?? value.enabled,
    }
    if (change.enabled === true) Object.assign(next, { disabled_reason: null, failing_since: null })
    const detail = { host: new URL(next.url).host, events: next.events, enabled: next.enabled }
    const audit = [this.#audit(tenantId, by, 'webhook.update', webhookId, detail)]
    await this.#records.put(tenantId, webhookId, next, {
      expected_version: expectedVersion ?? version,
      audit,
    })
    return this.#records.get(webhookId)!
  }

  /** Signs with a new secret from now on, and for a day with the old one as well. */
  async rotateSecret(tenantId: string, webhookId: string, by: Actor): Promise<string> {
    const { value, version } = await this.find(tenantId, webhookId)
    const { sealer, now } = this.#context
    const secret = newSecret()
    // A sealed value opens only in its own place.
    const old = sealer.open(value.secret, place(tenantId, webhookId))
    const next: WebhookRecord = {
      ...value,
      secret: sealer.seal(secret, place(tenantId, webhookId)),
      previous: sealer.seal(old, place(tenantId, webhookId, 'previous')),
      previous_until: now() + PREVIOUS_SECRET_MS,
    }
    const audit = [this.#audit(tenantId, by, 'webhook.rotate-secret', webhookId, {})]
    await this.#records.put(tenantId, webhookId, next, { expected_version: version, audit })
    return secret
  }

  async remove(tenantId: string, webhookId: string, by: Actor): Promise<void> {
    await this.find(tenantId, webhookId)
    const audit = [this.#audit(tenantId, by, 'webhook.delete', webhookId, {})]
    await this.#records.delete(tenantId, webhookId, { audit })
  }

  /** The secrets that sign a delivery, the newest first. */
  secretsOf({ tenant_id, id, value }: StoredWebhook): string[] {
    const { sealer, now } = this.#context
    const secrets = [sealer.open(value.secret, place(tenant_id, id))]
    if (value.previous !== null && (value.previous_until ?? 0) > now())
      secrets.push(sealer.open(value.previous, place(tenant_id, id, 'previous')))
    return secrets
  }

  /** Notes since when deliveries fail, or that they arrive again. */
  async noteFailing(
    { tenant_id, id, version, value }: StoredWebhook,
    failing_since: number | null,
  ): Promise<void> {
    await this.#records.put(tenant_id, id, { ...value, failing_since }, { expected_version: version })
  }

  /** The hub turns the webhook off. */
  async disable({ tenant_id, id, version, value }: StoredWebhook, reason: string): Promise<void> {
    const audit = [this.#audit(tenant_id, 'hub', 'webhook.disable', id, { reason })]
    const next = { ...value, enabled: false, disabled_reason: reason }
    await this.#records.put(tenant_id, id, next, { expected_version: version, audit })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records[Symbol.asyncDispose]()
  }

  #audit(
    tenant_id: string,
    by: Actor,
    action: string,
    id: string,
    detail: Record<string, unknown>,
  ): AuditDraft {
    const [at, actor] = [this.#context.now(), actorName(by)]
    return { tenant_id, at, actor, action, object: `webhook:${id}`, outcome: 'done', detail }
  }
}

function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`
}

function place(tenant_id: string, id: string, field = 'secret') {
  return { kind: KIND, tenant_id, id, field }
}
