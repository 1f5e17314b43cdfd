import { link, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { configHash } from '../../common/node-config/config-hash.ts'
import { type ActualConfig, actualConfigSchema } from '../../common/wire/node-protocol.ts'
import { WholeFile } from '../whole-file.ts'

/** What the device keeps across reboots, with the secrets of its cameras. */
const savedConfigSchema = z.strictObject({
  format: z.literal(1),
  /** Whose versions these are: the hub and the node's id there. */
  hub: z.string(),
  /** The newest version of the hub's that ever held here; 0 before the first. */
  newest: z.int().min(0),
  actual: actualConfigSchema.refine(({ config, hash }) => configHash(config) === hash, {
    message: 'the hash is of another document',
  }),
})

export interface SavedConfig {
  readonly hub: string
  readonly newest: number
  readonly actual: ActualConfig
}

/**
 * The last good document on disk, `config.json`, and the one before it, `config.previous.json`, which holds where a
 * worn card has damaged the first.
 */
export class ConfigFiles {
  readonly #file: string
  readonly #previous: string
  readonly #logger: Logger

  constructor(folder: string, logger: Logger) {
    this.#file = join(folder, 'config.json')
    this.#previous = join(folder, 'config.previous.json')
    this.#logger = logger
  }

  /** null where there is none, or none that can be read: then the device starts with the empty document. */
  async load(): Promise<SavedConfig | null> {
    for (const file of [this.#file, this.#previous]) {
      const saved = await this.#read(file)
      if (saved) return saved
    }
    return null
  }

  /**
   * Writes the document beside the present one, and says how to put it in its place. What does not fit on the disk fails
   * before anything changes. @throws errors of the file system
   */
  async prepare(saved: SavedConfig): Promise<PreparedConfig> {
    const whole = await WholeFile.write(this.#file, `${JSON.stringify({ format: 1, ...saved })}\n`)
    return {
      commit: async () => {
        await this.#keepPrevious()
        await whole.putInPlace()
      },
      [Symbol.asyncDispose]: () => whole[Symbol.asyncDispose](),
    }
  }

  /** After a commit that failed halfway: writes the document that holds again, as well as the disk can. @throws never */
  async restore(saved: SavedConfig | null): Promise<void> {
    try {
      if (!saved) return await rm(this.#file, { force: true })
      await using prepared = await this.prepare(saved)
      await prepared.commit()
    } catch (error) {
      this.#logger.error(
        { file: this.#file, reason: messageOf(error) },
        'saved configuration can not be restored',
      )
    }
  }

  /** The file keeps its name meanwhile: at no moment is there no document. */
  async #keepPrevious(): Promise<void> {
    const second = `${this.#previous}.new`
    await rm(second, { force: true })
    try {
      await link(this.#file, second)
    } catch (error) {
      // Nothing before it; or a file system without links, which keeps no previous document.
      if (isCode(error, 'ENOENT') || isCode(error, 'EPERM') || isCode(error, 'ENOTSUP')) return
      throw error
    }
    await rename(second, this.#previous)
    // Where both names are of one file already, rename leaves both.
    await rm(second, { force: true })
  }

  async #read(file: string): Promise<SavedConfig | null> {
    try {
      return savedConfigSchema.parse(JSON.parse(await readFile(file, 'utf8')))
    } catch (error) {
      // The text of a parser's message may hold a password.
      const reason = error instanceof SyntaxError ? 'it is not JSON' : messageOf(error)
      if (!isCode(error, 'ENOENT')) this.#logger.error({ file, reason }, 'saved configuration is damaged')
      return null
    }
  }
}

/** Dispose it where it is not committed. */
export interface PreparedConfig extends AsyncDisposable {
  /** Makes it the document of the next start. @throws errors of the file system */
  commit(): Promise<void>
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
