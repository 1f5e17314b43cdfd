import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import { syncFolder } from '../store/sync-folder.ts'
import type { AuditRow } from './audit-record.ts'

/** A record as it was in the database: the hash covers `detail` as this text. */
const rowSchema: z.ZodType<AuditRow> = z.strictObject({
  seq: z.number().int(),
  tenant_id: z.string(),
  at: z.number().int(),
  actor: z.string(),
  action: z.string(),
  object: z.string(),
  outcome: z.string(),
  detail: z.string(),
  prev_hash: z.string(),
  hash: z.string(),
})

/** An archive: `audit-<first>-<last>.ndjson.gz`, one record on each line, in the order of the chain. */
export interface ArchiveFile {
  readonly path: string
  readonly first: number
  readonly last: number
}

const NAME = /^audit-(\d{12})-(\d{12})\.ndjson\.gz$/
const PART = '.part'
/** An unfinished file of this age was abandoned by its writer, ms. */
const ABANDONED_MS = 86_400_000

/** Archives in a folder, in the order of their first record; none where there is no folder. */
export async function listArchives(folder: string): Promise<ArchiveFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names
    .flatMap((name) => {
      const match = NAME.exec(name)
      return match ? [{ path: join(folder, name), first: Number(match[1]), last: Number(match[2]) }] : []
    })
    .sort((a, b) => a.first - b.first || a.last - b.last)
}

/**
 * Writes an archive of the records that `pages` gives, and returns when the file is on the disk under its name. A file
 * of the same name holds the same records, and is replaced.
 */
export async function writeArchive(
  folder: string,
  pages: AsyncIterable<readonly AuditRow[]>,
): Promise<ArchiveFile | null> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await dropAbandoned(folder)
  const partial = join(folder, `${randomBytes(8).toString('hex')}${PART}`)
  let [first, last] = [0, 0]
  async function* lines(): AsyncGenerator<string> {
    for await (const page of pages) {
      if (page.length === 0) continue
      first ||= page[0]!.seq
      last = page.at(-1)!.seq
      yield `${page.map((row) => JSON.stringify(row)).join('\n')}\n`
    }
  }
  try {
    const file = await open(partial, 'w', 0o600)
    try {
      await pipeline(Readable.from(lines()), createGzip(), async (zipped: AsyncIterable<Buffer>) => {
        for await (const chunk of zipped) await file.appendFile(chunk)
      })
      await file.sync()
    } finally {
      await file.close()
    }
    if (last === 0) return null
    const padded = (seq: number) => String(seq).padStart(12, '0')
    const path = join(folder, `audit-${padded(first)}-${padded(last)}.ndjson.gz`)
    await rename(partial, path)
    await syncFolder(folder)
    return { path, first, last }
  } finally {
    await rm(partial, { force: true })
  }
}

/** The records of an archive, as the file holds them. @throws CodedError `archive_damaged` */
export async function* readArchive({ path }: ArchiveFile): AsyncGenerator<AuditRow> {
  const source = createReadStream(path)
  const unzipped = createGunzip()
  source.on('error', (error) => unzipped.destroy(error))
  source.pipe(unzipped)
  try {
    for await (const line of createInterface({ input: unzipped, crlfDelay: Number.POSITIVE_INFINITY }))
      yield rowSchema.parse(JSON.parse(line))
    // readline ends silently when its input fails.
    if (unzipped.errored) throw unzipped.errored
  } catch (error) {
    const what = error instanceof z.ZodError ? 'a line of it is no record' : messageOf(error)
    throw new CodedError('archive_damaged', `the archive ${path} can't be read: ${what}`, {
      cause: error,
      details: ['restore the file from a back-up: no database holds its records any more'],
    })
  } finally {
    source.destroy()
    unzipped.destroy()
  }
}

/** Deletes unfinished files of hubs that were killed while they wrote. */
async function dropAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(PART)) continue
    const path = join(folder, name)
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > ABANDONED_MS) await rm(path, { force: true })
  }
}
