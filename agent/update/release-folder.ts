import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { releaseVersionSchema } from '../../common/wire/release.ts'
import { WholeFile } from '../whole-file.ts'
import { syncFolder, unpackRelease } from './unpack.ts'

/**
 * Fetched releases on disk, as the launcher reads them (deploy/agent/lanecast-agent): a folder a version, `current` that names
 * the one that runs, `trial` with the one that is tried and how often it was started, `failed` with one that did not stay up.
 * Each step is one rename: after a power cut at any moment the launcher finds a release that runs.
 */
export class ReleaseFolder {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @param stateFolder of the agent */
  static async open(stateFolder: string): Promise<ReleaseFolder> {
    const folder = join(stateFolder, 'releases')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return new ReleaseFolder(folder)
  }

  /** Whether a release was unpacked whole. */
  async has(version: string): Promise<boolean> {
    return (await readdir(this.folder)).includes(version)
  }

  /** Unpacks a release whose file is known to be the signed one. @throws Error as `unpackRelease` */
  async install(version: string, file: string, signal: AbortSignal): Promise<void> {
    const partial = join(this.folder, `.new-${version}`)
    await rm(partial, { recursive: true, force: true })
    try {
      await unpackRelease(file, partial, signal)
      await rename(partial, join(this.folder, version))
      await syncFolder(this.folder)
    } finally {
      await rm(partial, { recursive: true, force: true })
    }
  }

  /** The next start of the agent is the release's first. */
  async beginTrial(version: string): Promise<void> {
    await rm(join(this.folder, 'failed'), { force: true })
    await using file = await WholeFile.write(join(this.folder, 'trial'), `${version} 0\n`)
    await file.putInPlace()
  }

  /** The release that is tried stays. */
  async commit(version: string): Promise<void> {
    const link = join(this.folder, 'current.new')
    await rm(link, { force: true })
    await symlink(version, link)
    await rename(link, join(this.folder, 'current'))
    await syncFolder(this.folder)
    await rm(join(this.folder, 'trial'), { force: true })
    await syncFolder(this.folder)
  }

  /** The next start of the agent is by the release before. */
  async rollBack(): Promise<void> {
    await rename(join(this.folder, 'trial'), join(this.folder, 'failed'))
    await syncFolder(this.folder)
  }

  /** The release that was rolled back: by us, or by the launcher because it did not stay up. */
  failed(): Promise<string | null> {
    return this.#named('failed')
  }

  async forgetFailed(): Promise<void> {
    await rm(join(this.folder, 'failed'), { force: true })
  }

  /** The fetched release that runs; null where it is the package's own. */
  async current(): Promise<string | null> {
    try {
      return basename(await readlink(join(this.folder, 'current')))
    } catch {
      return null
    }
  }

  /** Removes all releases but these, and what a power cut left. */
  async keepOnly(versions: readonly string[]): Promise<void> {
    for (const entry of await readdir(this.folder, { withFileTypes: true })) {
      const isPartial = entry.name.startsWith('.new-')
      const isOld = releaseVersionSchema.safeParse(entry.name).success && !versions.includes(entry.name)
      if (entry.isDirectory() && (isPartial || isOld))
        await rm(join(this.folder, entry.name), { recursive: true, force: true })
    }
  }

  /** The version in the first word of a file. */
  async #named(file: string): Promise<string | null> {
    try {
      const [word = ''] = (await readFile(join(this.folder, file), 'utf8')).split(/\s/)
      return releaseVersionSchema.safeParse(word).data ?? null
    } catch {
      return null
    }
  }
}
