import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { BLOCK, readUstarHeader, type UstarEntry } from './ustar.ts'

/** The one folder of a release. */
const TOP = 'lanecast-agent'
/** Most bytes of an unpacked release, and entries: a disk is not filled by a faulty one. */
const MAX_BYTES = 400_000_000
const MAX_ENTRIES = 5000
const PATH = /^lanecast-agent(\/[A-Za-z0-9@._+-]+)*$/

/**
 * Unpacks the tarball of a release. All of it is on disk when this is done.
 * @param folder does not exist yet; the content of the tarball's one folder goes there
 * @throws Error where the tarball is not as `tools/package/tarball.ts` makes it, and errors of the file system
 */
export async function unpackRelease(file: string, folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  const folders = [folder]
  await pipeline(
    createReadStream(file),
    createZstdDecompress(),
    async (chunks: AsyncIterable<Buffer>) => {
      const reader = new ByteReader(chunks)
      let [bytes, entries] = [0, 0]
      for (;;) {
        const block = await reader.take(BLOCK)
        const entry = block.length < BLOCK ? null : readUstarHeader(block)
        if (!entry) break
        bytes += entry.bytes
        entries += 1
        if (bytes > MAX_BYTES || entries > MAX_ENTRIES) throw new Error('the release is too large')
        const path = placeOf(entry, folder)
        if (entry.isFolder) {
          if (path !== folder) await mkdir(path, { mode: 0o700 })
          folders.push(path)
        } else await writeEntry(entry, path, reader)
      }
      if (entries === 0) throw new Error('the release is empty')
      await reader.drain()
    },
    { signal },
  )
  // Names are on disk when their folders are.
  for (const each of new Set(folders)) await syncFolder(each)
}

export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function placeOf({ path }: UstarEntry, folder: string): string {
  if (!PATH.test(path) || path.split('/').some((name) => name === '.' || name === '..'))
    throw new Error(`the release has a file where none may be: ${path.slice(0, 100)}`)
  return join(folder, path.slice(TOP.length))
}

async function writeEntry(
  { bytes, isExecutable }: UstarEntry,
  path: string,
  reader: ByteReader,
): Promise<void> {
  await using handle = await open(path, 'wx', isExecutable ? 0o700 : 0o600)
  let left = bytes
  while (left > 0) {
    const part = await reader.takeSome(left)
    await writeAll(handle, part)
    left -= part.length
  }
  await reader.take((BLOCK - (bytes % BLOCK)) % BLOCK)
  await handle.sync()
}

async function writeAll(handle: FileHandle, part: Buffer): Promise<void> {
  for (let at = 0; at < part.length; ) at += (await handle.write(part, at)).bytesWritten
}

/** Takes bytes from chunks of any size. */
class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** So many, or fewer at the end. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let left = length
    while (left > 0) {
      if (this.#rest.length === 0 && !(await this.#fill())) break
      const part = this.#rest.subarray(0, left)
      this.#rest = this.#rest.subarray(part.length)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  /** At most so many, at least one. @throws Error at the end */
  async takeSome(most: number): Promise<Buffer> {
    if (this.#rest.length === 0 && !(await this.#fill())) throw new Error('the release ends too early')
    const part = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(part.length)
    return part
  }

  /** Reads on to the end, so that the checksum of the stream is checked. */
  async drain(): Promise<void> {
    while (await this.#fill()) this.#rest = Buffer.alloc(0)
  }

  async #fill(): Promise<boolean> {
    const { done, value } = await this.#chunks.next()
    if (done) return false
    this.#rest = value
    return true
  }
}
