import { hkdfSync, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { AuditKey } from '../audit/audit-chain.ts'

const KEY_BYTES = 32

const masterKeySchema = z.strictObject({
  id: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'a key id is 1 to 32 letters, digits, dashes or underscores'),
  /** 32 random bytes in base64. */
  key: z
    .base64()
    .refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES, 'a key is 32 bytes in base64'),
})

const keyFileSchema = z.strictObject({
  about: z.string(),
  /** Oldest first. The last key seals. */
  keys: z.array(masterKeySchema).min(1),
})
type KeyFile = z.infer<typeof keyFileSchema>
type MasterKey = z.infer<typeof masterKeySchema>

const ABOUT =
  "Lanecast's master keys. Without them nobody can read the secrets in its database. Back them up apart from it."

/** Default place of the keys: beside the data folder, so that no copy of the folder holds the keys. */
export function keyFileBeside(dataFolder: string): string {
  const folder = resolve(dataFolder)
  return join(dirname(folder), `${basename(folder)}.keys`)
}

/**
 * The master keys, which live outside the database. The newest key seals; older keys still open what they sealed. For
 * each use a key of its own is derived by HKDF-SHA-256 (RFC 5869). The oldest key seals the audit trail, because that
 * seal runs through the whole chain.
 */
export class Keyring {
  readonly #keys: readonly MasterKey[]

  /** @param keys oldest first */
  constructor(keys: readonly MasterKey[]) {
    this.#keys = keys
  }

  /** Id of the key that seals now. */
  get currentId(): string {
    return this.#keys.at(-1)!.id
  }

  get ids(): string[] {
    return this.#keys.map(({ id }) => id)
  }

  /** The key that seals the audit trail. */
  get auditKey(): AuditKey {
    const { id } = this.#keys[0]!
    return { id, key: this.derive(id, 'audit')! }
  }

  /** 32 bytes for one use, or undefined when no key has this id. */
  derive(id: string, use: 'sealing' | 'audit'): Uint8Array | undefined {
    const master = this.#keys.find((key) => key.id === id)
    if (!master) return undefined
    const secret = Buffer.from(master.key, 'base64')
    return new Uint8Array(hkdfSync('sha256', secret, Buffer.alloc(0), `lanecast ${use}`, KEY_BYTES))
  }
}

/** A keyring that lives as long as the process, for a hub that keeps nothing (AMNESIA). */
export function ephemeralKeyring(): Keyring {
  return new Keyring([newKey()])
}

/**
 * The keys in `file`. A missing file is made, with a new key (mode 0600).
 * @throws CodedError `bad_keys` when the file can't be read or made, holds something else, or is readable for others
 */
export function openKeyring(file: string): Keyring {
  const present = readKeyFile(file)
  if (present) return new Keyring(present.keys)
  writeKeyFile(file, { about: ABOUT, keys: [newKey()] })
  // Read again: a hub that started at the same moment may have been first.
  return new Keyring(readKeyFile(file)!.keys)
}

/** As `openKeyring`, but never makes a file: undefined when there is none. */
export function existingKeyring(file: string): Keyring | undefined {
  const present = readKeyFile(file)
  return present && new Keyring(present.keys)
}

/** Adds a key, which seals from now on. Running hubs see the key when they open the file again. */
export function rotateKeys(file: string): Keyring {
  const present = readKeyFile(file)
  if (!present) throw bad(file, 'there is no such file')
  const keys = [...present.keys, newKey()]
  writeKeyFile(file, { ...present, keys }, 'replace')
  return new Keyring(keys)
}

/**
 * Keys from an environment variable: `id:base64` pairs with commas between, oldest first.
 * @throws CodedError `bad_keys`; the message never shows the keys
 */
export function keyringFromText(variable: string, text: string): Keyring {
  const pairs = text.split(',').map((pair) => {
    const [id = '', key = ''] = pair.trim().split(':')
    return { id, key }
  })
  const parsed = z.array(masterKeySchema).min(1).safeParse(pairs)
  if (!parsed.success) throw bad(variable, parsed.error.issues[0]?.message ?? 'not id:base64 pairs')
  return new Keyring(distinct(variable, parsed.data))
}

function newKey(): MasterKey {
  return { id: randomBytes(4).toString('hex'), key: randomBytes(KEY_BYTES).toString('base64') }
}

function readKeyFile(file: string): KeyFile | undefined {
  let text: string
  try {
    const { mode } = statSync(file)
    if ((mode & 0o077) !== 0)
      throw bad(file, `others than its owner may use it (mode ${(mode & 0o777).toString(8)}): chmod 600 it`)
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof CodedError) throw error
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw bad(file, messageOf(error))
  }
  const parsed = keyFileSchema.safeParse(jsonOf(file, text))
  if (!parsed.success) throw bad(file, parsed.error.issues[0]?.message ?? 'it holds something else')
  return { ...parsed.data, keys: distinct(file, parsed.data.keys) }
}

function jsonOf(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would show a part of the text.
    throw bad(file, 'it is not JSON')
  }
}

function distinct(source: string, keys: MasterKey[]): MasterKey[] {
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw bad(source, 'two keys have the same id')
  return keys
}

/** Written whole or not at all, and synced to the disk: a secret is lost when its sealing key is lost. */
function writeKeyFile(file: string, content: KeyFile, how: 'create' | 'replace' = 'create'): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    const temporary = `${file}.${randomBytes(4).toString('hex')}`
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      writeSync(descriptor, `${JSON.stringify(content, null, 2)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    if (how === 'replace') renameSync(temporary, file)
    else placeNew(temporary, file)
    const folder = openSync(dirname(file), 'r')
    fsyncSync(folder)
    closeSync(folder)
  } catch (error) {
    throw bad(file, messageOf(error))
  }
}

/** Unlike a rename, this does not overwrite a file that another hub has put there meanwhile. */
function placeNew(temporary: string, file: string): void {
  try {
    linkSync(temporary, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    unlinkSync(temporary)
  }
}

function bad(source: string, what: string): CodedError {
  return new CodedError('bad_keys', `the master keys in ${source} can't be used: ${what}`)
}
