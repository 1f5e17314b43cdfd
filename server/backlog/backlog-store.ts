import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError } from '../../common/errors.ts'
import { type Segment, SegmentFolder } from '../../common/segments/segment-folder.ts'
import { rangeName, type SegmentRange } from '../../common/wire/backlog.ts'

const MB = 1_000_000
/** ISO/IEC 13818-1 section 2.4.3.2. */
const TS_PACKET = 188
const TS_SYNC = 0x47

export interface BacklogStoreOptions {
  /** null: nothing is kept on disk. */
  readonly folder: string | null
  readonly mbOfTenant: number
  readonly mbOfStream: number
  /** A segment was removed to make room for newer ones. */
  readonly gaveWay?: (tenantId: string, segment: Segment) => void
}

/** What senders deliver later, by tenant and stream. Each tenant and each stream has its bound: the oldest gives way. */
export class BacklogStore {
  readonly #options: BacklogStoreOptions
  readonly #tenants = new Map<string, Promise<SegmentFolder>>()

  /** @throws errors of the file system */
  static async open(options: BacklogStoreOptions): Promise<BacklogStore> {
    const store = new BacklogStore(options)
    const { folder } = options
    if (folder === null) return store
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const entry of await readdir(folder, { withFileTypes: true }))
      if (entry.isDirectory()) await store.#of(entry.name)
    return store
  }

  private constructor(options: BacklogStoreOptions) {
    this.#options = options
  }

  /**
   * Keeps a segment of whole TS packets. The same segment again is no error.
   * @throws CodedError `backlog_off`, `segment_invalid`, `segment_differs`, `segment_too_large`
   */
  async put(tenantId: string, streamId: string, range: SegmentRange, ts: Buffer): Promise<void> {
    if (!isTs(ts))
      throw new CodedError('segment_invalid', 'the body is no MPEG-TS', {
        details: [`body: must be TS packets of ${TS_PACKET} bytes`],
      })
    const outcome = await (await this.#of(tenantId)).save(streamId, range, [ts])
    if (outcome === 'differs')
      throw new CodedError('segment_differs', `there is another segment ${rangeName(range)}`)
    if (outcome === 'too_large')
      throw new CodedError('segment_too_large', 'the hub keeps less than this for the stream')
  }

  /** Segments of a stream that overlap the range, in the order of their beginnings. @throws CodedError `backlog_off` */
  async list(tenantId: string, streamId: string, { from, to }: SegmentRange): Promise<readonly Segment[]> {
    return (await this.#of(tenantId)).of(streamId).filter((one) => one.from <= to && one.to >= from)
  }

  /** @throws CodedError `backlog_off`, `segment_not_found` */
  async read(tenantId: string, streamId: string, range: SegmentRange): Promise<Buffer> {
    const { folder, segment } = await this.#find(tenantId, streamId, range)
    return folder.read(segment).catch((error: NodeJS.ErrnoException) => {
      // It gave way meanwhile.
      throw error.code === 'ENOENT' ? notFound(range) : error
    })
  }

  /** @throws CodedError `backlog_off`, `segment_not_found` */
  async remove(tenantId: string, streamId: string, range: SegmentRange): Promise<void> {
    const { folder, segment } = await this.#find(tenantId, streamId, range)
    await folder.remove(segment)
  }

  async #find(tenantId: string, streamId: string, range: SegmentRange) {
    const folder = await this.#of(tenantId)
    const segment = folder.of(streamId).find(({ from, to }) => from === range.from && to === range.to)
    if (!segment) throw notFound(range)
    return { folder, segment }
  }

  #of(tenantId: string): Promise<SegmentFolder> {
    const { folder, mbOfTenant, mbOfStream, gaveWay } = this.#options
    if (folder === null || mbOfTenant === 0 || mbOfStream === 0)
      return Promise.reject(new CodedError('backlog_off', 'this hub keeps nothing that is delivered later'))
    const present = this.#tenants.get(tenantId)
    if (present) return present
    const opening = SegmentFolder.open({
      folder: join(folder, tenantId),
      mostBytes: () => mbOfTenant * MB,
      mostBytesOfStream: () => mbOfStream * MB,
      gaveWay: (segment) => gaveWay?.(tenantId, segment),
    })
    this.#tenants.set(tenantId, opening)
    opening.catch(() => this.#tenants.delete(tenantId))
    return opening
  }
}

const notFound = (range: SegmentRange): CodedError =>
  new CodedError('segment_not_found', `there is no segment ${rangeName(range)}`)

function isTs(bytes: Buffer): boolean {
  if (bytes.length === 0 || bytes.length % TS_PACKET !== 0) return false
  for (let at = 0; at < bytes.length; at += TS_PACKET) if (bytes[at] !== TS_SYNC) return false
  return true
}
