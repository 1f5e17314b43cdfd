import { isDeepStrictEqual } from 'node:util'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { AuditDraft } from '../audit/audit-record.ts'
import type { Metrics } from '../metrics.ts'
import { HUB_TENANT_ID } from '../store/store.ts'
import type { Config } from './config.ts'
import { SETTINGS } from './settings.ts'

/** Problems that a log line and a record name; the rest is counted. */
const MOST_TOLD = 20

/** A part of the hub whose settings may change while the hub runs. */
export interface Reloadable {
  readonly settings: readonly (keyof Config)[]
  /**
   * Gets ready for other settings, and changes nothing yet.
   * @throws CodedError where they can't be
   */
  prepare(next: Config): Promise<PreparedChange> | PreparedChange
}

/** A change that is ready. It is disposed of when it is in force, or when it was refused. */
export interface PreparedChange extends Partial<AsyncDisposable> {
  /** Whether anything changes. */
  readonly changes: boolean
  /** What changes, for the log and the audit trail; holds no secrets. */
  readonly says?: Readonly<Record<string, unknown>>
  /** Puts the change in force. If something fails afterwards, the part must mend that: the change stays. */
  commit(): Promise<void> | void
}

export interface ConfigReloadOptions {
  /** The configuration in force. */
  readonly config: Config
  readonly parts: readonly Reloadable[]
  /** Puts a record on the audit trail; neither waits nor throws. */
  readonly audit: (draft: AuditDraft) => void
  readonly metrics: Pick<Metrics, 'configReloads'>
  readonly logger: Logger
  readonly now: () => number
}

type Outcome = 'applied' | 'unchanged' | 'refused'

/** Puts another configuration in force while the hub runs: all of it, or nothing. */
export class ConfigReload implements AsyncDisposable {
  readonly #options: ConfigReloadOptions
  #config: Config
  #turn: Promise<void> = Promise.resolve()
  #waiting = false
  #closed = false

  constructor(options: ConfigReloadOptions) {
    this.#options = options
    this.#config = options.config
  }

  /**
   * Reads the configuration again, and puts it in force. Changes run one after the other. A call while another call waits
   * for its turn joins the waiting call. Never rejects: log, audit trail and metrics tell the outcome.
   * @param read returns the configuration that a start would read now; throws its faults
   */
  reload(read: () => Config): Promise<void> {
    if (this.#waiting || this.#closed) return this.#turn
    this.#waiting = true
    this.#turn = this.#turn.then(async () => {
      this.#waiting = false
      if (this.#closed) return
      try {
        await this.#apply(read())
      } catch (error) {
        const details =
          error instanceof CodedError && error.details.length > 0 ? error.details : [messageOf(error)]
        this.#refuse(details)
      }
    })
    return this.#turn
  }

  /** Waits for the change under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await this.#turn
  }

  async #apply(next: Config): Promise<void> {
    const { parts, logger } = this.#options
    const changed = changedSettings(this.#config, next)
    const reloadable = new Set(parts.flatMap(({ settings }) => settings))
    const fixed = changed.filter((name) => !reloadable.has(name))
    if (fixed.length > 0)
      return this.#refuse(fixed.map((name) => `${nameOf(name)}: can't change while the hub runs`))
    await using stack = new AsyncDisposableStack()
    // Parts prepare even if no setting has changed: a file that a setting names may have changed.
    const changes: PreparedChange[] = []
    for (const part of parts) {
      const change = await part.prepare(next)
      stack.defer(async () => change[Symbol.asyncDispose]?.())
      if (change.changes) changes.push(change)
    }
    if (changes.length === 0) {
      this.#config = next
      logger.info('the configuration was read again: nothing has changed')
      return this.#note('unchanged', {})
    }
    // From here on the change can't be refused.
    await Promise.all(changes.map((change) => change.commit()))
    this.#config = next
    const settings = changed.filter((name) => name !== 'streams').map(nameOf)
    const detail = Object.assign({ settings }, ...changes.map(({ says }) => says ?? {}))
    logger.info(detail, 'the configuration was read again and is in force')
    this.#note('applied', detail)
  }

  #refuse(problems: readonly string[]): void {
    const more = problems.length - MOST_TOLD
    const told = more > 0 ? [...problems.slice(0, MOST_TOLD), `and ${more} more`] : problems
    this.#options.logger.error(
      { problems: told },
      'the configuration was read again and refused: everything stays as it was',
    )
    this.#note('refused', { problems: told })
  }

  #note(outcome: Outcome, detail: AuditDraft['detail']): void {
    const { audit, metrics, now } = this.#options
    metrics.configReloads.inc({ outcome })
    const what = { actor: 'hub', action: 'config.reload', object: 'hub', outcome, detail }
    audit({ tenant_id: HUB_TENANT_ID, at: now(), ...what })
  }
}

function changedSettings(before: Config, next: Config): (keyof Config)[] {
  const names = Object.keys(before) as (keyof Config)[]
  return names.filter((name) => !isDeepStrictEqual(before[name], next[name]))
}

/** The names of a setting in the environment and in the file. */
function nameOf(name: keyof Config): string {
  return name === 'streams' || name === 'relays' ? name : `${SETTINGS[name].env} (${SETTINGS[name].key})`
}
