import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CodedError } from '../../common/errors.ts'
import { pause } from '../../common/retry.ts'
import type { ReleaseFile } from '../../common/wire/release.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { readReleasePart } from './hub-releases.ts'

/** Of one request, bytes. */
const PART = 512 * 1024
/** While something is on air, so that live pictures notice nothing: parts of 64 KiB, 200 kb/s. */
const GENTLE_PART = 64 * 1024
const GENTLE_KBPS = 200
/** Room that a release needs beside its file, as a multiple of it: unpacked it is four times as large. */
const ROOM = 5

export interface DownloadOptions {
  readonly hub: HubAccess
  readonly version: string
  readonly file: ReleaseFile
  /** For what was downloaded so far, by the hash of the file. */
  readonly folder: string
  /** Whether somebody watches: then it takes its time. */
  readonly onAir: () => boolean
  /** 0 to 100. */
  readonly onProgress: (percent: number) => void
}

/**
 * Downloads the file of a release, on from where an earlier try ended, also in another run of the agent.
 * @returns the path of the file, whose SHA-256 is the signed one; the caller removes it
 * @throws CodedError `update_failed`: no room, or the file is another one; HubRefusal; the reason of `signal`
 */
export async function downloadRelease(options: DownloadOptions, signal: AbortSignal): Promise<string> {
  const { hub, version, file, folder, onAir, onProgress } = options
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const name = `${version}-${file.sha256.slice(0, 16)}`
  for (const other of await readdir(folder)) if (other !== name) await rm(join(folder, other))
  const path = join(folder, name)
  await requireRoom(folder, file)
  const present = await stat(path).then(
    ({ size }) => size,
    () => 0,
  )
  // Longer than it should be: somebody else's.
  await using handle = await open(path, present > file.bytes ? 'w' : 'a', 0o600)
  let offset = present > file.bytes ? 0 : present
  while (offset < file.bytes) {
    const gentle = onAir()
    const length = gentle ? GENTLE_PART : PART
    const wanted = { version, architecture: file.architecture }
    const part = await readReleasePart(hub, wanted, { offset, length }, signal)
    if (part.length === 0 || part.length > length || offset + part.length > file.bytes)
      throw new CodedError('update_failed', 'the hub sends another part than it was asked for')
    await handle.writeFile(part)
    offset += part.length
    onProgress(Math.floor((offset / file.bytes) * 100))
    if (gentle && offset < file.bytes) await pause((part.length * 8) / GENTLE_KBPS, signal)
  }
  await handle.sync()
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash, { signal })
  if (hash.digest('hex') === file.sha256) return path
  await rm(path, { force: true })
  throw new CodedError('update_failed', `the file of ${version} is not the one that was signed`)
}

async function requireRoom(folder: string, { bytes }: ReleaseFile): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const [needed, free] = [Math.ceil((bytes * ROOM) / 1e6), Math.floor((bavail * bsize) / 1e6)]
  if (free < needed)
    throw new CodedError('update_failed', `the disk has ${free} MB left, and the release needs ${needed} MB`)
}
