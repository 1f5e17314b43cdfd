import { isDeepStrictEqual } from 'node:util'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { configHash } from '../../common/node-config/config-hash.ts'
import { maskSecrets, unmaskSecrets } from '../../common/node-config/config-secrets.ts'
import { parseConfig } from '../../common/node-config/config-text.ts'
import { type Backoff, backoffMs, pause } from '../../common/retry.ts'
import { EMPTY_NODE_CONFIG, type NodeConfig } from '../../common/wire/node-config.ts'
import type { ActualConfig, Outcome } from '../../common/wire/node-protocol.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { realPathOf } from './device-facts.ts'
import { deviceProblems } from './device-problems.ts'
import { refusalOf } from './refusal.ts'
import { ConfigFiles, type SavedConfig } from './saved-config.ts'

/** Documents that may wait while another is applied. The hub sends one at a time. */
const MAX_WAITING = 4
/** Between two tries to take up the saved document after a start. */
const RESUME_AGAIN: Backoff = { initialMs: 1000, maxMs: 60_000, factor: 2 }

/** What does as the document says. */
export interface ConfigTarget {
  /** All of it, or nothing: where it throws, everything is again as it was. @throws CodedError with the reason */
  configure(config: NodeConfig): Promise<void>
  /**
   * Goes on by a document that held before, after a start or a fault: as much of it as can be now. Left out by targets for
   * which that is `configure`.
   */
  resume?(config: NodeConfig): Promise<void>
}

export interface ConfigKeeperOptions {
  /** Where the document is kept across reboots. */
  readonly folder: string
  /** Whose versions these are, such as the hub's URL with the node's id. After enrolment elsewhere, versions begin anew. */
  readonly hub: string
  readonly target: ConfigTarget
  /** The facts that documents are checked against, as far as they are known. */
  readonly device: () => NodeReport
  /** `actual` is another one. May not throw. */
  readonly changed?: () => void
  readonly logger: Logger
}

/**
 * Keeps the document that the device obeys: checks each new one, applies it as a whole or not at all, and keeps the last
 * good one across reboots. Documents are applied one after the other, in the order of their arrival.
 */
export class ConfigKeeper implements AsyncDisposable {
  readonly #options: ConfigKeeperOptions
  readonly #files: ConfigFiles
  readonly #closing = new AbortController()
  #saved: SavedConfig | null
  /** Whether the target does as the saved document says. */
  #inForce = false
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #resuming: Promise<void> | null = null

  private constructor(options: ConfigKeeperOptions, files: ConfigFiles, saved: SavedConfig | null) {
    this.#options = options
    this.#files = files
    this.#saved = saved
  }

  /** Reads the saved document. It is not in force before `resume`. @throws never for a damaged document */
  static async open(options: ConfigKeeperOptions): Promise<ConfigKeeper> {
    const files = new ConfigFiles(options.folder, options.logger)
    const saved = await files.load()
    return new ConfigKeeper(options, files, saved && ofThisHub(saved, options.hub))
  }

  /** The last good document, with its secrets; the empty one before the first. */
  get config(): NodeConfig {
    return this.#saved?.actual.config ?? EMPTY_NODE_CONFIG
  }

  /** The version of that document; null before the first. */
  get version(): number | 'local' | null {
    return this.#saved?.actual.version ?? null
  }

  /** What the device runs, with secrets masked; null before the first document, and as long as the saved one can't be taken up. */
  get actual(): ActualConfig | null {
    if (!this.#inForce || !this.#saved) return null
    const { actual } = this.#saved
    return { ...actual, config: maskSecrets(actual.config) }
  }

  /**
   * Takes up the saved document after a start. Where that fails, it is tried again until it holds or another document is
   * applied: the device did once as it says. Resolves after the first try. @throws never
   * @param afterMs a wait before the first try, which nobody waits for
   */
  async resume(afterMs = 0): Promise<void> {
    if (!this.#saved) return
    if (afterMs > 0) this.#resumeLater(afterMs)
    else if (!(await this.#inTurn(() => this.#takeUp()))) this.#resumeLater()
  }

  /**
   * Applies a document: from the hub with its version, or `local`. @throws never: what goes wrong is in the outcome, and
   * then the last good document holds, on disk too.
   */
  async apply(version: number | 'local', document: unknown): Promise<Outcome> {
    if (this.#closing.signal.aborted) return refusalOf(stopping())
    if (this.#waiting >= MAX_WAITING) return refusalOf(busy())
    this.#waiting++
    try {
      return await this.#inTurn(() => this.#take(version, document))
    } catch (thrown) {
      const refusal = refusalOf(thrown)
      const { code, reason, details } = refusal
      this.#options.logger.warn({ version, code, reason, details }, 'configuration refused')
      if (code === 'internal') this.#options.logger.error({ err: thrown }, 'configuration failed')
      return refusal
    } finally {
      this.#waiting--
    }
  }

  /** What `apply` would say of a document before it touches anything. @throws never */
  check(document: unknown): Outcome {
    try {
      refuseFor(this.#read(document).problems)
      return { state: 'done' }
    } catch (thrown) {
      return refusalOf(thrown)
    }
  }

  /** Waits for what is being applied. The target is not touched. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await Promise.all([this.#last, this.#resuming])
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return await turn
  }

  /** The document with its secrets, and what speaks against it. @throws CodedError `config_invalid` */
  #read(document: unknown): { readonly config: NodeConfig; readonly problems: readonly string[] } {
    const { config, missing } = unmaskSecrets(parseConfig(document), this.#saved ? this.config : null)
    const facts = { report: this.#options.device(), realPath: realPathOf }
    return { config, problems: [...missing, ...deviceProblems(config, this.config, facts)] }
  }

  async #take(version: number | 'local', document: unknown): Promise<Outcome> {
    const before = this.#saved
    const { config, problems } = this.#read(document)
    if (version !== 'local' && before && this.#isThere(version, config, before)) return { state: 'done' }
    refuseFor(problems)
    const saved = {
      hub: this.#options.hub,
      newest: version === 'local' ? (before?.newest ?? 0) : version,
      actual: { version, hash: configHash(config), applied_at: Date.now(), config },
    }
    await this.#applyAndSave(saved)
    this.#saved = saved
    this.#inForce = true
    this.#options.changed?.()
    this.#options.logger.info({ version, broadcasts: config.broadcasts.length }, 'configuration applied')
    return { state: 'done' }
  }

  /** Whether the hub's document holds already. @throws CodedError where a newer one, or another one, does */
  #isThere(version: number, config: NodeConfig, { newest, actual }: SavedConfig): boolean {
    if (version > newest) return false
    if (version < newest)
      throw new CodedError('config_outdated', `version ${newest} was here before version ${version}`)
    if (actual.version === 'local')
      throw new CodedError(
        'config_conflict',
        `a document was applied at the device itself after version ${version}`,
      )
    if (!isDeepStrictEqual(actual.config, config))
      throw new CodedError('config_conflict', `another document was here as version ${version}`)
    return this.#inForce
  }

  /** The disk is asked for room first, and the document's place is taken last. A power cut between leaves the one before. */
  async #applyAndSave(saved: SavedConfig): Promise<void> {
    await using prepared = await this.#files.prepare(saved).catch(unsaved)
    try {
      await this.#options.target.configure(saved.actual.config)
    } catch (thrown) {
      // A target that fails by a fault of its own may have left half of it.
      if (!(thrown instanceof CodedError)) await this.#backToLast()
      throw thrown
    }
    try {
      await prepared.commit()
    } catch (error) {
      await this.#backToLast()
      await this.#files.restore(this.#saved)
      unsaved(error)
    }
  }

  async #backToLast(): Promise<void> {
    this.#inForce = false
    if (!(await this.#takeUp())) this.#resumeLater()
  }

  #resumeLater(firstMs = backoffMs(RESUME_AGAIN, 0)): void {
    this.#resuming ??= this.#resumeUntilInForce(firstMs).finally(() => {
      this.#resuming = null
    })
  }

  async #resumeUntilInForce(firstMs: number): Promise<void> {
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt++) {
      await pause(attempt === 0 ? firstMs : backoffMs(RESUME_AGAIN, attempt), signal).catch(() => {})
      if (await this.#inTurn(() => this.#takeUp())) return
    }
  }

  /** @returns true where a document is in force: the last good one, or one that came meanwhile */
  async #takeUp(): Promise<boolean> {
    if (this.#inForce || this.#closing.signal.aborted) return true
    try {
      const { target } = this.#options
      await (target.resume ? target.resume(this.config) : target.configure(this.config))
      this.#inForce = true
      this.#options.changed?.()
      this.#options.logger.info({ version: this.#saved?.actual.version }, 'last configuration taken up')
    } catch (thrown) {
      this.#options.logger.error({ reason: messageOf(thrown) }, 'last configuration can not be taken up now')
    }
    return this.#inForce
  }
}

/** @throws CodedError `config_beyond_device` where there are any */
function refuseFor(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new CodedError('config_beyond_device', 'the device can not do that', { details: problems })
}

/** What another hub counted means nothing here: its document goes on as one of the device's own. */
function ofThisHub(saved: SavedConfig, hub: string): SavedConfig {
  if (saved.hub === hub) return saved
  return { hub, newest: 0, actual: { ...saved.actual, version: 'local' } }
}

function unsaved(cause: unknown): never {
  throw new CodedError('config_unsaved', `the device can't store the configuration: ${messageOf(cause)}`, {
    cause,
  })
}

const stopping = () => new CodedError('draining', 'the agent is stopping')
const busy = () => new CodedError('config_busy', 'other documents wait to be applied')
