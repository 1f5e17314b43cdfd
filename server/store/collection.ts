import type { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { documentName } from './document-key.ts'
import type { DeleteChange, DocumentKey, DocumentPage, PutChange, Store, StoredDocument } from './store.ts'

/** A document read with its schema. */
export interface Typed<T> {
  readonly tenant_id: string
  readonly id: string
  readonly version: number
  readonly updated_at: number
  readonly value: T
}

export interface WriteOptions {
  /** The version that the document must have now; 0: the document must not exist. */
  readonly expected_version?: number | undefined
  readonly audit?: readonly AuditDraft[]
}

/**
 * All documents of one kind, read with their schema. The schema checks what an older release wrote, or somebody edited
 * by hand. `putChange` and `deleteChange` are for writes that touch several collections at once.
 */
export class Collection<T> {
  readonly kind: string
  readonly #store: Pick<Store, 'get' | 'list' | 'write'>
  readonly #schema: z.ZodType<T>

  constructor(store: Pick<Store, 'get' | 'list' | 'write'>, kind: string, schema: z.ZodType<T>) {
    this.#store = store
    this.kind = kind
    this.#schema = schema
  }

  /** @throws CodedError `stored_document_invalid` (500) naming the document and what does not fit */
  async get(tenantId: string, id: string): Promise<Typed<T> | undefined> {
    const document = await this.#store.get(this.kind, tenantId, id)
    return document && this.#typed(document)
  }

  /** @throws CodedError `stored_document_invalid` (500) for the first document that does not fit */
  async list(tenantId: string | null, page?: DocumentPage): Promise<Typed<T>[]> {
    const documents = await this.#store.list(this.kind, tenantId, page)
    return documents.map((document) => this.#typed(document))
  }

  /** Returns the document's new version. @throws CodedError see Store.write */
  async put(tenantId: string, id: string, value: T, options: WriteOptions = {}): Promise<number> {
    const changes = [this.putChange(tenantId, id, value, options.expected_version)]
    const [version = 0] = await this.#store.write(changes, options.audit)
    return version
  }

  async delete(tenantId: string, id: string, options: WriteOptions = {}): Promise<void> {
    await this.#store.write([this.deleteChange(tenantId, id, options.expected_version)], options.audit)
  }

  putChange(tenantId: string, id: string, value: T, expectedVersion?: number): PutChange {
    return { op: 'put', ...this.#key(tenantId, id), body: value, expected_version: expectedVersion }
  }

  deleteChange(tenantId: string, id: string, expectedVersion?: number): DeleteChange {
    return { op: 'delete', ...this.#key(tenantId, id), expected_version: expectedVersion }
  }

  #key(tenantId: string, id: string): DocumentKey {
    return { kind: this.kind, tenant_id: tenantId, id }
  }

  #typed({ tenant_id, id, version, updated_at, body }: StoredDocument): Typed<T> {
    const parsed = this.#schema.safeParse(body)
    if (parsed.success) return { tenant_id, id, version, updated_at, value: parsed.data }
    const name = documentName({ kind: this.kind, tenant_id, id })
    throw new CodedError('stored_document_invalid', `${name} in the database does not fit its schema`, {
      details: parsed.error.issues.map(
        ({ path, message }) => `version ${version}, ${path.join('.') || 'the whole'}: ${message}`,
      ),
    })
  }
}
