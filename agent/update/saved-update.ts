import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  type ReleaseKeys,
  releaseKeysSchema,
  releaseVersionSchema,
  type UpdateState,
  updateStateSchema,
} from '../../common/wire/release.ts'
import { WholeFile } from '../whole-file.ts'

/** Releases that are remembered because they did not do. */
const MAX_BAD = 20

const savedSchema = z.object({
  /** The keys that were pinned at the enrolment, and those that came after them by signed changes. */
  pinned: releaseKeysSchema.nullable(),
  keys: releaseKeysSchema.nullable(),
  /** Releases that were rolled back: tried again only by an order. */
  bad: z.array(releaseVersionSchema).max(MAX_BAD),
  /** How the last update ended. */
  last: updateStateSchema.nullable(),
  /** The release before the present one. It stays on disk. */
  before: releaseVersionSchema.nullable(),
})
type Saved = z.infer<typeof savedSchema>

/** What an agent remembers of updates, in a file that is whole at any moment. */
export class SavedUpdate {
  readonly #file: string
  #saved: Saved
  /** One write at a time. */
  #writes: Promise<void> = Promise.resolve()

  private constructor(file: string, saved: Saved) {
    this.#file = file
    this.#saved = saved
  }

  /** @param pinned keys of this enrolment: with others than the file's, key changes of an earlier enrolment are forgotten */
  static async open(file: string, pinned: ReleaseKeys | null): Promise<SavedUpdate> {
    const saved = savedSchema.safeParse(await readJson(file)).data
    const fresh: Saved = { pinned, keys: pinned, bad: [], last: null, before: null }
    if (!saved) return new SavedUpdate(file, fresh)
    const isSame = isDeepStrictEqual(saved.pinned, pinned)
    return new SavedUpdate(file, isSame ? saved : { ...saved, pinned, keys: pinned })
  }

  get keys(): ReleaseKeys | null {
    return this.#saved.keys
  }

  get last(): UpdateState | null {
    return this.#saved.last
  }

  get before(): string | null {
    return this.#saved.before
  }

  isBad(version: string): boolean {
    return this.#saved.bad.includes(version)
  }

  /** @throws errors of the file system */
  async change(change: Partial<Pick<Saved, 'keys' | 'last' | 'before'>>): Promise<void> {
    await this.#save({ ...this.#saved, ...change })
  }

  async markBad(version: string): Promise<void> {
    const others = this.#saved.bad.filter((each) => each !== version)
    await this.#save({ ...this.#saved, bad: [...others, version].slice(-MAX_BAD) })
  }

  #save(next: Saved): Promise<void> {
    this.#saved = next
    const write = async () => {
      await using file = await WholeFile.write(this.#file, `${JSON.stringify(this.#saved)}\n`)
      await file.putInPlace()
    }
    const written = this.#writes.then(write)
    this.#writes = written.catch(() => {})
    return written
  }
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}
