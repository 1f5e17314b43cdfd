import type { z } from 'zod'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection, type Typed, type WriteOptions } from './collection.ts'
import { type Change, cursorOf, type Store } from './store.ts'

export interface MirrorOptions<T> {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  readonly kind: string
  readonly schema: z.ZodType<T>
  /**
   * How often to look for writes of other hubs on the same database, ms. Left out where this hub is alone, as on SQLite:
   * the hub sees its own writes at once.
   */
  readonly refreshMs?: number | undefined
  readonly logger: Logger
}

/** A planned change, and what the mirror does before and after the store makes it. */
export interface Planned {
  readonly change: Change
  readonly applied: (version: number) => void
  readonly begin: () => void
  readonly end: () => void
}

const PAGE = 1000
const REFRESH_ATTEMPTS = 5

/**
 * All documents of one kind, of all tenants, in memory as well. Requests are answered without the database, also while the
 * database is away. Ids of these kinds are unique across tenants. Writes go to the store first.
 */
export class Mirror<T> implements AsyncDisposable {
  readonly #options: MirrorOptions<T>
  readonly #collection: Collection<T>
  readonly #listeners = new Set<() => void>()
  readonly #timer: NodeJS.Timeout | undefined
  #documents = new Map<string, Typed<T>>()
  #refreshing: Promise<void> | undefined
  /** Time of the last look into the database, whatever it found. */
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** Counts beginnings and ends of writes, so that a listing during a write is discarded. */
  #writes = 0
  #underWay = 0

  private constructor(options: MirrorOptions<T>) {
    this.#options = options
    this.#collection = new Collection(options.store, options.kind, options.schema)
    if (options.refreshMs === undefined) return
    this.#timer = setInterval(() => void this.#refreshQuietly(), options.refreshMs).unref()
  }

  static async open<T>(options: MirrorOptions<T>): Promise<Mirror<T>> {
    const mirror = new Mirror(options)
    await mirror.refresh()
    return mirror
  }

  get size(): number {
    return this.#documents.size
  }

  get(id: string): Typed<T> | undefined {
    return this.#documents.get(id)
  }

  /** As `get`, but looks for a missing document in the database, at most once each `refreshMs`. */
  async find(id: string): Promise<Typed<T> | undefined> {
    const present = this.get(id)
    const { refreshMs } = this.#options
    if (present || refreshMs === undefined) return present
    if (performance.now() - this.#refreshedAt >= refreshMs) await this.#refreshQuietly()
    return this.get(id)
  }

  values(): IterableIterator<Typed<T>> {
    return this.#documents.values()
  }

  /** Calls `listener` after each change of this hub or of another. Call the returned function to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** @throws CodedError see Store.write */
  async put(tenantId: string, id: string, value: T, options: WriteOptions = {}): Promise<void> {
    const plan = this.planPut(tenantId, id, value, options.expected_version)
    await writePlanned(this.#options.store, [plan], [], options.audit)
  }

  /** @throws CodedError see Store.write */
  async delete(tenantId: string, id: string, options: WriteOptions = {}): Promise<void> {
    const plan = this.planDelete(tenantId, id, options.expected_version)
    await writePlanned(this.#options.store, [plan], [], options.audit)
  }

  planPut(tenantId: string, id: string, value: T, expectedVersion?: number): Planned {
    const change = this.#collection.putChange(tenantId, id, value, expectedVersion)
    return this.#planned(change, (version) => {
      const document = { tenant_id: tenantId, id, version, updated_at: Date.now(), value }
      if (version > (this.#documents.get(id)?.version ?? 0)) this.#documents.set(id, document)
    })
  }

  planDelete(tenantId: string, id: string, expectedVersion?: number): Planned {
    return this.#planned(this.#collection.deleteChange(tenantId, id, expectedVersion), () => {
      this.#documents.delete(id)
    })
  }

  /** Takes over the present content of the database. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#list().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#listeners.clear()
    await this.#refreshing?.catch(() => {})
  }

  #planned(change: Change, apply: (version: number) => void): Planned {
    return {
      change,
      applied: (version) => {
        apply(version)
        this.#changed()
      },
      begin: () => {
        this.#writes += 1
        this.#underWay += 1
      },
      end: () => {
        this.#writes += 1
        this.#underWay -= 1
      },
    }
  }

  async #list(): Promise<void> {
    this.#refreshedAt = performance.now()
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS; attempt += 1) {
      const seen = this.#writes
      const documents = new Map<string, Typed<T>>()
      for (let after: string | undefined; ; ) {
        const page = await this.#collection.list(null, { after, limit: PAGE })
        for (const document of page) documents.set(document.id, document)
        const last = page.at(-1)
        if (!last || page.length < PAGE) break
        after = cursorOf(last)
      }
      if (this.#writes !== seen || this.#underWay > 0) continue
      const changed = !sameVersions(this.#documents, documents)
      this.#documents = documents
      if (changed) this.#changed()
      return
    }
  }

  async #refreshQuietly(): Promise<void> {
    try {
      await this.refresh()
    } catch (error) {
      const { logger, kind } = this.#options
      logger.warn({ kind, reason: messageOf(error) }, "can't look for changes by other hubs")
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Makes planned changes of any mirrors, and other changes, all or nothing. @throws CodedError see Store.write */
export async function writePlanned(
  store: Pick<Store, 'write'>,
  planned: readonly Planned[],
  others: readonly Change[] = [],
  audit: readonly AuditDraft[] = [],
): Promise<void> {
  for (const plan of planned) plan.begin()
  try {
    const versions = await store.write([...planned.map(({ change }) => change), ...others], audit)
    planned.forEach((plan, index) => {
      plan.applied(versions[index] ?? 0)
    })
  } finally {
    for (const plan of planned) plan.end()
  }
}

function sameVersions<T>(one: ReadonlyMap<string, Typed<T>>, other: ReadonlyMap<string, Typed<T>>): boolean {
  if (one.size !== other.size) return false
  for (const [id, { version, updated_at }] of other) {
    const before = one.get(id)
    if (before?.version !== version || before.updated_at !== updated_at) return false
  }
  return true
}
