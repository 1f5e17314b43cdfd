import { createHash } from 'node:crypto'
import { z } from 'zod'
import { streamIdSchema } from '../../common/wire/stream.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import { Collection } from '../store/collection.ts'
import type { Store } from '../store/store.ts'
import type { PlaceHolder } from './viewer-places.ts'

const viewerLimitSchema = z.object({
  stream_id: streamIdSchema,
  subject: z.string(),
  max_kbps: z.number().int().positive(),
})
type ViewerLimit = z.infer<typeof viewerLimitSchema>

/** Whom a ceiling is for: everybody who watches a stream by tokens of one subject. */
export interface LimitedViewer {
  readonly tenantId: string
  readonly streamId: string
  readonly holder: PlaceHolder
}

/**
 * Ceilings of viewers that somebody set by hand, kb/s: in memory, and in the store so that they survive a restart. The
 * ceiling of a viewer without a token lives with its connection, because nobody could say who comes back.
 */
export class ViewerLimits {
  readonly #store: Pick<Store, 'write'>
  readonly #stored: Collection<ViewerLimit>
  readonly #limits = new Map<string, number>()

  private constructor(store: Pick<Store, 'get' | 'list' | 'write'>) {
    this.#store = store
    this.#stored = new Collection(store, 'viewer-limit', viewerLimitSchema)
  }

  /** @throws CodedError of the store */
  static async open(store: Pick<Store, 'get' | 'list' | 'write'>): Promise<ViewerLimits> {
    const limits = new ViewerLimits(store)
    for (const { tenant_id: tenantId, value } of await limits.#stored.list(null)) {
      const { stream_id: streamId, subject: name, max_kbps } = value
      limits.#limits.set(keyOf({ tenantId, streamId, holder: { anonymous: false, name } }), max_kbps)
    }
    return limits
  }

  /** kb/s; null without a ceiling. */
  of(viewer: LimitedViewer): number | null {
    return viewer.holder.anonymous ? null : (this.#limits.get(keyOf(viewer)) ?? null)
  }

  /**
   * Stores a ceiling, or its end, and the record of the change.
   * @throws CodedError of the store; then everything is as it was
   */
  async set(viewer: LimitedViewer, maxKbps: number | null, audit: AuditDraft): Promise<void> {
    const { tenantId, streamId, holder } = viewer
    if (holder.anonymous) return void (await this.#store.write([], [audit]))
    const key = keyOf(viewer)
    const change =
      maxKbps === null
        ? this.#stored.deleteChange(tenantId, key)
        : this.#stored.putChange(tenantId, key, {
            stream_id: streamId,
            subject: holder.name,
            max_kbps: maxKbps,
          })
    await this.#store.write([change], [audit])
    if (maxKbps === null) this.#limits.delete(key)
    else this.#limits.set(key, maxKbps)
  }
}

/** Also the document's id: subjects may hold what ids may not. */
function keyOf({ tenantId, streamId, holder }: LimitedViewer): string {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, streamId, holder.name]))
    .digest('base64url')
}
