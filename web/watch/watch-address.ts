import { tenantIdSchema } from '../../common/wire/ids.ts'
import { DEFAULT_TENANT, streamIdSchema } from '../../common/wire/stream.ts'

export interface WatchAddress {
  /** null where the address names no tenant: the token's tenant, or without a token the default tenant. */
  readonly tenantId: string | null
  readonly streamId: string
}

/** The stream in `/watch/<stream_id>` or `/watch/<tenant_id>/<stream_id>`; null for none. */
export function watchAddress(pathname: string): WatchAddress | null {
  const [page, ...ids] = pathname.split('/').slice(1).map(decoded)
  if (page !== 'watch' || ids.length < 1 || ids.length > 2) return null
  const streamId = streamIdSchema.safeParse(ids.pop())
  const tenantId = tenantIdSchema.nullable().safeParse(ids.pop() ?? null)
  return tenantId.success && streamId.success ? { tenantId: tenantId.data, streamId: streamId.data } : null
}

/** Most streams on one page. */
const MOST_TILES = 16

export interface MosaicAddress {
  readonly tenantId: string | null
  readonly streamIds: readonly string[]
}

/** The streams in `/watch/<stream_id>+<stream_id>…`, at least two; null for none. */
export function mosaicAddress(pathname: string): MosaicAddress | null {
  const parts = pathname.split('/')
  const names = (parts.pop() ?? '').split('+')
  if (names.length < 2 || names.length > MOST_TILES) return null
  const addresses = names.map((name) => watchAddress([...parts, name].join('/')))
  const [first] = addresses
  if (!first || new Set(names).size < names.length) return null
  return addresses.every((address) => address !== null)
    ? { tenantId: first.tenantId, streamIds: addresses.map(({ streamId }) => streamId) }
    : null
}

/** The page of a stream. */
export function watchPath(tenantId: string, streamId: string): string {
  return tenantId === DEFAULT_TENANT ? `/watch/${streamId}` : `/watch/${tenantId}/${streamId}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return ''
  }
}
