import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import {
  type Tenant,
  type TenantBody,
  type TenantRecord,
  tenantRecordSchema,
} from '../../common/wire/tenant.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { type Actor, actorName } from '../auth/principal.ts'
import type { Typed } from '../store/collection.ts'
import { Mirror, type Planned, writePlanned } from '../store/mirror.ts'
import { type Change, HUB_TENANT_ID, type Store } from '../store/store.ts'

/** Most tenants of one hub. */
const MAX_TENANTS = 10_000

export interface TenantBookOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  /** Where several hubs share the database: how often to look for changes by other hubs, ms. */
  readonly refreshMs?: number | undefined
  /** Unix milliseconds. */
  readonly now: () => number
  readonly logger: Logger
}

/** What is deleted together with a tenant in the same transaction. */
export interface TenantRemains {
  readonly plans?: readonly Planned[]
  readonly changes?: readonly Change[]
}

/** All tenants. `DEFAULT_TENANT` always exists: a hub of one owner needs no other tenant. */
export class TenantBook implements AsyncDisposable {
  readonly #options: TenantBookOptions
  readonly #mirror: Mirror<TenantRecord>

  private constructor(options: TenantBookOptions, mirror: Mirror<TenantRecord>) {
    this.#options = options
    this.#mirror = mirror
  }

  static async open(options: TenantBookOptions): Promise<TenantBook> {
    const mirror = await Mirror.open({ ...options, kind: 'tenant', schema: tenantRecordSchema })
    const book = new TenantBook(options, mirror)
    if (!book.has(DEFAULT_TENANT)) await book.#makeDefault()
    return book
  }

  has(tenantId: string): boolean {
    return this.#mirror.get(tenantId) !== undefined
  }

  get(tenantId: string): Tenant | undefined {
    const document = this.#mirror.get(tenantId)
    return document && tenantOf(document)
  }

  /** In the order of their ids. */
  list(): Tenant[] {
    return [...this.#mirror.values()].map(tenantOf).sort((a, b) => (a.tenant_id < b.tenant_id ? -1 : 1))
  }

  /**
   * Makes a tenant or changes its description.
   * @param expectedVersion 0: the tenant must not exist yet
   * @throws CodedError `too_many_tenants` (409), and see Store.write
   */
  async put(tenantId: string, body: TenantBody, by: Actor, expectedVersion?: number): Promise<Tenant> {
    const present = this.#mirror.get(tenantId)
    if (!present && this.#mirror.size >= MAX_TENANTS)
      throw new CodedError('too_many_tenants', `there are ${MAX_TENANTS} tenants, the most there may be`)
    const record = { ...body, created_at: present?.value.created_at ?? this.#options.now() }
    const action = present ? 'tenant.change' : 'tenant.create'
    await this.#mirror.put(HUB_TENANT_ID, tenantId, record, {
      expected_version: expectedVersion,
      audit: [this.#audit(tenantId, by, action, { ...body })],
    })
    return this.get(tenantId) ?? { tenant_id: tenantId, version: 1, ...record }
  }

  /** @throws CodedError `tenant_needed` (409) for DEFAULT_TENANT, and see Store.write */
  async delete(
    tenantId: string,
    by: Actor,
    remains: TenantRemains = {},
    expectedVersion?: number,
  ): Promise<void> {
    if (tenantId === DEFAULT_TENANT)
      throw new CodedError('tenant_needed', `the tenant ${DEFAULT_TENANT} can't be deleted`)
    const plan = this.#mirror.planDelete(HUB_TENANT_ID, tenantId, expectedVersion)
    const audit = [this.#audit(tenantId, by, 'tenant.delete', {})]
    await writePlanned(this.#options.store, [plan, ...(remains.plans ?? [])], remains.changes, audit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mirror[Symbol.asyncDispose]()
  }

  /** Another hub on the same database may be first. */
  async #makeDefault(): Promise<void> {
    try {
      await this.put(DEFAULT_TENANT, { display_name: 'Default' }, 'hub', 0)
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'version_conflict') throw error
      await this.#mirror.refresh()
    }
  }

  #audit(tenantId: string, by: Actor, action: string, detail: Record<string, unknown>): AuditDraft {
    const object = `tenant:${tenantId}`
    const at = this.#options.now()
    return { tenant_id: tenantId, at, actor: actorName(by), action, object, outcome: 'done', detail }
  }
}

function tenantOf({ id, version, value }: Typed<TenantRecord>): Tenant {
  return { tenant_id: id, version, ...value }
}
