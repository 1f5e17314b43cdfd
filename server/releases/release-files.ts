import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CodedError } from '../../common/errors.ts'
import type { ReleaseFile } from '../../common/wire/release.ts'

/** Files of releases on the hub's disk. Each hub has its own; a folder that hubs share does as well. */
export class ReleaseFiles {
  readonly #folder: string | null
  /** The last write of each file, so that parts come one after the other. */
  readonly #writes = new Map<string, Promise<unknown>>()

  /** @param folder null: the hub keeps nothing on disk */
  constructor(folder: string | null) {
    this.#folder = folder
  }

  /** Bytes that are there; all of them where the file is complete. */
  async present(version: string, file: ReleaseFile): Promise<number> {
    if (this.#folder === null) return 0
    const whole = await sizeOf(this.#path(version, file))
    return whole === file.bytes ? whole : await sizeOf(this.#partial(version, file))
  }

  /**
   * Adds a part. The last one makes the file whole, if it is the one that was signed; else all of it goes.
   * @param offset of the part, bytes: where what is there ends
   * @returns bytes that are there now
   * @throws CodedError `release_offset`, `release_damaged`, `releases_unavailable`, and errors of the file system
   */
  async append(version: string, file: ReleaseFile, offset: number, part: Buffer): Promise<number> {
    const path = this.#path(version, file)
    const before = this.#writes.get(path) ?? Promise.resolve()
    const write = before.catch(() => {}).then(() => this.#append(version, file, offset, part))
    this.#writes.set(path, write)
    try {
      return await write
    } finally {
      if (this.#writes.get(path) === write) this.#writes.delete(path)
    }
  }

  /**
   * A part of a whole file.
   * @param offset bytes; past the end there is nothing
   * @throws CodedError `release_not_found`
   */
  async read(version: string, file: ReleaseFile, offset: number, length: number): Promise<Buffer> {
    if ((await this.present(version, file)) !== file.bytes)
      throw new CodedError('release_not_found', `this hub has no file of ${version} for ${file.architecture}`)
    await using handle = await open(this.#path(version, file), 'r')
    const part = Buffer.alloc(Math.max(0, Math.min(length, file.bytes - offset)))
    const { bytesRead } = await handle.read(part, 0, part.length, offset)
    return part.subarray(0, bytesRead)
  }

  async remove(version: string): Promise<void> {
    if (this.#folder !== null) await rm(join(this.#folder, version), { recursive: true, force: true })
  }

  async #append(version: string, file: ReleaseFile, offset: number, part: Buffer): Promise<number> {
    const present = await this.present(version, file)
    if (present === file.bytes) return present
    if (offset !== present)
      throw new CodedError('release_offset', `${present} bytes are there, and the part begins at ${offset}`, {
        details: [`query offset: ${present}`],
      })
    if (present + part.length > file.bytes) throw damaged(`it is longer than ${file.bytes} bytes`)
    const partial = this.#partial(version, file)
    await mkdir(join(partial, '..'), { recursive: true, mode: 0o700 })
    await using handle = await open(partial, present === 0 ? 'w' : 'a', 0o600)
    await handle.writeFile(part)
    if (present + part.length < file.bytes) return present + part.length
    await handle.sync()
    if ((await sha256Of(partial)) !== file.sha256) {
      await rm(partial, { force: true })
      throw damaged('its SHA-256 is another one; begin anew')
    }
    await rename(partial, this.#path(version, file))
    return file.bytes
  }

  #path(version: string, { architecture }: ReleaseFile): string {
    if (this.#folder === null)
      throw new CodedError('releases_unavailable', 'this hub keeps no files: it runs with AMNESIA', {
        resource: 'releases',
      })
    return join(this.#folder, version, `lanecast-agent_${architecture}.tar.zst`)
  }

  #partial(version: string, file: ReleaseFile): string {
    return `${this.#path(version, file)}.part`
  }
}

function damaged(why: string): CodedError {
  return new CodedError('release_damaged', `the file is not the one that the release names: ${why}`)
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch {
    return 0
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
