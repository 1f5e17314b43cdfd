import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import { Collection } from '../store/collection.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import { syncFolder } from '../store/sync-folder.ts'
import type { AuthContext } from './auth-context.ts'
import { type BearerSecret, bearerText, newBearerSecret, parseBearer } from './bearer-secret.ts'
import type { Tokens } from './tokens.ts'

const FILE = 'admin-token'
const PREFIX = 'lc'
/** Kind of the one document that records the first admin token. */
const KIND = 'first-admin-token'
const ID = 'made'

const madeSchema = z.strictObject({ token_id: z.string(), made_at: z.number().int() })

export interface FirstAdminToken {
  readonly token: string
  /** The file with the token; null where nothing is written (AMNESIA). */
  readonly file: string | null
}

/**
 * At the first start, makes the API key of the hub's admin and writes it to `<folder>/admin-token`, readable by its
 * owner alone. `folder` is null where nothing is written to disk. At every later start undefined: the hub itself can't
 * tell the token again.
 *
 * The file is written first. A hub that dies between file and document finds the file at its next start and takes that
 * token, so that the token is never lost.
 * @throws CodedError `admin_token_unwritable`
 */
export async function firstAdminToken(
  context: AuthContext,
  tokens: Tokens,
  folder: string | null,
): Promise<FirstAdminToken | undefined> {
  const marks = new Collection(context.store, KIND, madeSchema)
  if (await marks.get(HUB_TENANT_ID, ID)) return undefined
  const file = folder === null ? null : join(folder, FILE)
  const bearer = file === null ? newBearerSecret() : await bearerInFile(file)
  const made = { token_id: bearer.id, made_at: context.now() }
  const admin = {
    subject: 'admin',
    role: 'admin',
    tenant_id: null,
    label: 'made at the first start',
  } as const
  try {
    const mark = marks.putChange(HUB_TENANT_ID, ID, made, 0)
    const { token } = await tokens.adoptApiKey(bearer, { ...admin, by: 'hub' }, null, [mark])
    return { token, file }
  } catch (error) {
    // Another hub on the same database was first, with its own token.
    if (!(error instanceof CodedError) || error.code !== 'version_conflict') throw error
    if (file !== null) await unlink(file).catch(() => {})
    return undefined
  }
}

/** Makes one more API key of the hub's admin, which replaces the content of the file. @throws as firstAdminToken */
export async function newAdminToken(tokens: Tokens, folder: string | null): Promise<FirstAdminToken> {
  const file = folder === null ? null : join(folder, FILE)
  const admin = {
    subject: 'admin',
    role: 'admin',
    tenant_id: null,
    label: 'made by --new-admin-token',
  } as const
  const { token } = await tokens.issueApiKey({ ...admin, by: 'hub' })
  if (file !== null)
    await place(file, `${token}\n`, rename).catch((error: unknown) => {
      throw unwritable(file, messageOf(error))
    })
  return { token, file }
}

/** What to print once, for the person who started the hub. */
export function adminTokenNotice({ token, file }: FirstAdminToken): string {
  const where = file === null ? 'It is kept nowhere else' : `It also stands in ${file}`
  return `An admin token of this hub, shown this once:\n\n  ${token}\n\n${where}.\n`
}

async function bearerInFile(file: string): Promise<BearerSecret> {
  try {
    // Unlike a rename, a link fails where a file exists.
    await place(file, `${bearerText(PREFIX, newBearerSecret())}\n`, link)
    const found = parseBearer(PREFIX, (await readFile(file, 'utf8')).trim())
    if (found) return found
  } catch (error) {
    throw unwritable(file, messageOf(error))
  }
  throw unwritable(file, 'it holds something else: move it away')
}

/** Writes the file whole, with mode 0600 from the start, or not at all. With `link` an existing file stays. */
async function place(file: string, text: string, put: typeof link | typeof rename): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${randomBytes(4).toString('hex')}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await put(temporary, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(join(file, '..'))
}

function unwritable(file: string, why: string): CodedError {
  return new CodedError('admin_token_unwritable', `the admin token can't be written to ${file}: ${why}`)
}
