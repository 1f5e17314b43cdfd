import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { type Actor, actorName } from '../auth/principal.ts'
import { Collection, type Typed } from '../store/collection.ts'
import type { DeleteChange, Store } from '../store/store.ts'
import { ChildQueue } from './child-queue.ts'
import type { PictureFile } from './picture-file.ts'
import type { TenantPicture } from './slates.ts'
import { uprightJpeg } from './upright-jpeg.ts'

const KIND = 'slate'
/** A tenant has one. */
const ID = 'slate'
/** Uploads that wait until those before them are decoded. */
const MAX_WAITING = 4

const slateRecordSchema = z.strictObject({
  width: z.number().int(),
  height: z.number().int(),
  sha256: z.string(),
  /** In base64. */
  jpeg: z.string(),
  changed_by: z.string(),
})
type SlateRecord = z.infer<typeof slateRecordSchema>

/** A tenant's picture as its owners see it. */
export interface SlateInfo {
  readonly tenant_id: string
  readonly version: number
  readonly width: number
  readonly height: number
  readonly bytes: number
  readonly sha256: string
  /** Unix ms. */
  readonly updated_at: number
  readonly changed_by: string
}

export interface SlatePicturesOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'write'>
  /** Unix milliseconds. */
  readonly now: () => number
  /** Program to run; `ffmpeg` on the PATH by default. */
  readonly ffmpeg?: string | undefined
}

/** The pictures that tenants uploaded for their slates, one for each tenant. */
export class SlatePictures {
  readonly #options: SlatePicturesOptions
  readonly #records: Collection<SlateRecord>
  readonly #queue = new ChildQueue(1, MAX_WAITING)
  readonly #listeners = new Set<(tenantId: string) => void>()

  constructor(options: SlatePicturesOptions) {
    this.#options = options
    this.#records = new Collection(options.store, KIND, slateRecordSchema)
  }

  /** What a slate of this tenant shows; null for our own picture. @throws as Store.get */
  async pictureOf(tenantId: string): Promise<TenantPicture | null> {
    const record = await this.#records.get(tenantId, ID)
    return record ? { key: record.value.sha256, jpeg: Buffer.from(record.value.jpeg, 'base64') } : null
  }

  /** @throws CodedError `slate_not_found` (404) */
  async get(tenantId: string): Promise<{ info: SlateInfo; jpeg: Buffer }> {
    const record = await this.#find(tenantId)
    return { info: infoOf(record), jpeg: Buffer.from(record.value.jpeg, 'base64') }
  }

  /** The version that a tenant's picture has now; 0 without one. */
  async versionOf(tenantId: string): Promise<number> {
    return (await this.#records.get(tenantId, ID))?.version ?? 0
  }

  /**
   * Decodes an uploaded picture and keeps it.
   * @param expectedVersion 0: there must be no picture yet
   * @param signal ends the decoding
   * @throws CodedError `slate_invalid` (400), `slates_unavailable` (503), and see Store.write
   */
  async put(
    tenantId: string,
    file: PictureFile,
    by: Actor,
    { expectedVersion, signal }: { readonly expectedVersion?: number; readonly signal: AbortSignal },
  ): Promise<SlateInfo> {
    const kept = await this.#queue.run(() => uprightJpeg(file, signal, this.#options.ffmpeg))
    if ('failed' in kept) {
      const details = ['other pictures are being decoded: send it again']
      throw new CodedError('slates_unavailable', 'the hub can not decode pictures now', {
        resource: 'ffmpeg',
        retryAfterSeconds: 5,
        details,
      })
    }
    signal.throwIfAborted()
    const { jpeg, width, height } = kept
    const sha256 = createHash('sha256').update(jpeg).digest('hex')
    const record = { width, height, sha256, jpeg: jpeg.toString('base64'), changed_by: actorName(by) }
    // What writes it needs some ms for a text of this length, too.
    await nextTurn()
    const detail = { width, height, bytes: jpeg.length, sha256 }
    const version = await this.#records.put(tenantId, ID, record, {
      expected_version: expectedVersion,
      audit: [this.#audit(tenantId, by, 'slate.change', detail)],
    })
    this.#changed(tenantId)
    return infoOf({ tenant_id: tenantId, id: ID, version, updated_at: this.#options.now(), value: record })
  }

  /** Slates have our own picture again. @throws CodedError `slate_not_found` (404), and see Store.write */
  async remove(tenantId: string, by: Actor, expectedVersion?: number): Promise<void> {
    const { version } = await this.#find(tenantId)
    await this.#records.delete(tenantId, ID, {
      expected_version: expectedVersion ?? version,
      audit: [this.#audit(tenantId, by, 'slate.delete', {})],
    })
    this.#changed(tenantId)
  }

  /** Calls `listener` when this hub has changed a tenant's picture. Call the returned function to stop. */
  onChange(listener: (tenantId: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What goes with a tenant that is deleted, so that a later tenant of its name has nothing of it. */
  removal(tenantId: string): DeleteChange {
    return this.#records.deleteChange(tenantId, ID)
  }

  #changed(tenantId: string): void {
    for (const listener of this.#listeners) listener(tenantId)
  }

  async #find(tenantId: string): Promise<Typed<SlateRecord>> {
    const record = await this.#records.get(tenantId, ID)
    if (record) return record
    throw new CodedError('slate_not_found', 'the tenant has no picture of its own: its slates have ours')
  }

  #audit(tenant_id: string, by: Actor, action: string, detail: Record<string, unknown>) {
    const [at, actor] = [this.#options.now(), actorName(by)]
    return { tenant_id, at, actor, action, object: 'slate', outcome: 'done' as const, detail }
  }
}

function infoOf({ tenant_id, version, updated_at, value }: Typed<SlateRecord>): SlateInfo {
  const { width, height, sha256, jpeg, changed_by } = value
  const bytes = Buffer.byteLength(jpeg, 'base64')
  return { tenant_id, version, width, height, bytes, sha256, updated_at, changed_by }
}
