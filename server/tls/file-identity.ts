import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Identity, ServerIdentity } from './server-identity.ts'
import { TLS_SETTINGS } from './tls-settings.ts'

export interface FileIdentityOptions {
  readonly certFile: string
  readonly keyFile: string
  /** How often to look whether the files changed, ms. Unlike notifications, this also works behind links and mounts. */
  readonly pollMs?: number
  readonly logger: Logger
}

const POLL_MS = 5000

/** The operator's certificate and key files, read again when they change. */
export class FileIdentity implements ServerIdentity {
  readonly #options: FileIdentityOptions
  readonly #listeners = new Set<() => void>()
  #current: Identity
  #reading: Promise<void> = Promise.resolve()

  private constructor(options: FileIdentityOptions, current: Identity) {
    this.#options = options
    this.#current = current
    const interval = options.pollMs ?? POLL_MS
    for (const file of [options.certFile, options.keyFile])
      watchFile(file, { interval, persistent: false }, this.#changed)
  }

  /** @throws CodedError `bad_config`, naming the settings, when the files can't be read or don't fit together */
  static async open(options: FileIdentityOptions): Promise<FileIdentity> {
    try {
      return new FileIdentity(options, await readIdentity(options))
    } catch (error) {
      const settings = `${TLS_SETTINGS.tlsCertFile.env} and ${TLS_SETTINGS.tlsKeyFile.env}`
      throw new CodedError('bad_config', 'the configuration is not valid', {
        details: [`${settings}: ${messageOf(error)}`],
      })
    }
  }

  get current(): Identity {
    return this.#current
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { certFile, keyFile } = this.#options
    for (const file of [certFile, keyFile]) unwatchFile(file, this.#changed)
    this.#listeners.clear()
    await this.#reading
  }

  readonly #changed = () => {
    this.#reading = this.#reading.then(() => this.#read())
  }

  /** Files that don't fit together change nothing: only one was replaced so far, and the other will follow. */
  async #read(): Promise<void> {
    const { certFile, logger } = this.#options
    try {
      const next = await readIdentity(this.#options)
      if (next.certificate === this.#current.certificate && next.key === this.#current.key) return
      this.#current = next
      logger.info({ file: certFile }, 'the TLS certificate was read again')
      for (const listener of this.#listeners) listener()
    } catch (error) {
      const reason = messageOf(error)
      logger.error(
        { file: certFile, reason },
        'the changed TLS certificate is not usable; the one before it stays',
      )
    }
  }
}

async function readIdentity({ certFile, keyFile }: FileIdentityOptions): Promise<Identity> {
  const [certificate, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
  // OpenSSL takes an empty file for none: somebody writes the file this moment.
  for (const [file, text] of [
    [certFile, certificate],
    [keyFile, key],
  ] as const)
    if (text.trim() === '') throw new Error(`${file} is empty`)
  // Throws when a file is not PEM or the key belongs to another certificate.
  createSecureContext({ cert: certificate, key })
  return { certificate, key }
}
