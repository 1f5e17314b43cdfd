import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * A file that takes the place of another whole or not at all, for its owner alone. What may fail for want of room
 * happens in `write`; `putInPlace` only renames. After a power cut at any moment the file is the old one or the new one.
 */
export class WholeFile implements AsyncDisposable {
  readonly #file: string
  readonly #temporary: string

  private constructor(file: string) {
    this.#file = file
    this.#temporary = `${file}.new`
  }

  /** One writer at a time: what a writer before left behind is written over. @throws errors of the file system */
  static async write(file: string, text: string): Promise<WholeFile> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const whole = new WholeFile(file)
    try {
      // A left-over may have other permissions.
      await rm(whole.#temporary, { force: true })
      await using handle = await open(whole.#temporary, 'wx', 0o600)
      await handle.writeFile(text)
      await handle.sync()
    } catch (error) {
      await whole[Symbol.asyncDispose]()
      throw error
    }
    return whole
  }

  /** Once. @throws errors of the file system */
  async putInPlace(): Promise<void> {
    await rename(this.#temporary, this.#file)
    await syncFolder(dirname(this.#file))
  }

  /** Removes what was not put in place. */
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#temporary, { force: true })
  }
}

/** A rename is on disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}
