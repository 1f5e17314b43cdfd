import type { Logger } from '../../common/logger.ts'
import type { Outcome } from '../../common/wire/node-protocol.ts'
import type { ReleaseKeys, UpdateState } from '../../common/wire/release.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { ReleaseFolder } from './release-folder.ts'
import { SavedUpdate } from './saved-update.ts'
import { noteFailed, type TrialTimes, tryRelease } from './trial.ts'
import { idle, Updater, updateFolders } from './updater.ts'
import type { AgentVersion } from './version.ts'
import type { UpdateOrder } from './wanted-release.ts'

/** Names the release that is on trial; set by the launcher. */
export const TRIAL_VARIABLE = 'LANECAST_TRIAL'
/** Devices ask within this time after the hub's word of news, ms. */
const NEWS_SPREAD_MS = 30_000

export interface UpdatesOptions {
  readonly hub: HubAccess
  readonly program: AgentVersion
  /** The keys that were pinned at the enrolment. */
  readonly pinned: ReleaseKeys | null
  readonly stateFolder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether the configuration lets the device take what is offered. */
  readonly auto: () => boolean
  /** Whether anything is on air. */
  readonly onAir: () => boolean
  /** Why the agent is not as it should be, a minute after its start; null: it is. */
  readonly health: () => string | null
  /** Ends `run` with the status that has it started again. */
  readonly restart: () => void
  readonly onChange: (state: UpdateState) => void
  readonly logger: Logger
  readonly trialTimes?: TrialTimes
  /** Longest wait after the hub's word of news, ms. */
  readonly newsSpreadMs?: number
}

/** Updates of this device by itself: the trial of the release that runs now, then the next one. */
export class Updates implements AsyncDisposable {
  readonly #options: UpdatesOptions
  readonly #saved: SavedUpdate
  readonly #updater: Updater | null
  readonly #closing = new AbortController()
  readonly #trial: Promise<void>
  /** The release that runs has not proved itself yet. */
  #onTrial: boolean
  #news: NodeJS.Timeout | undefined

  static async open(options: UpdatesOptions): Promise<Updates> {
    const { stateFolder, pinned, program, logger } = options
    const [releases, saved] = await Promise.all([
      ReleaseFolder.open(stateFolder),
      SavedUpdate.open(updateFolders(stateFolder).saved, pinned),
    ])
    await noteFailed({ releases, saved, logger }, program.version)
    return new Updates(options, releases, saved)
  }

  private constructor(options: UpdatesOptions, releases: ReleaseFolder, saved: SavedUpdate) {
    const { hub, program, env, auto, onAir, restart, onChange, logger, stateFolder } = options
    this.#options = options
    this.#saved = saved
    this.#onTrial = program.isPackaged && env[TRIAL_VARIABLE] === program.version
    const { version: running, architecture, isPackaged } = program
    const { downloads } = updateFolders(stateFolder)
    this.#updater =
      isPackaged && architecture
        ? new Updater({
            ...{ hub, running, architecture, releases, saved, downloads },
            ...{ auto, onAir, restart, onChange, logger },
          })
        : null
    this.#trial = this.#onTrial ? this.#try(releases) : Promise.resolve()
  }

  get state(): UpdateState {
    return this.#onTrial ? (this.#saved.last ?? idle()) : (this.#updater?.state ?? idle())
  }

  /** The hub may have something: it is reached, or it said so. */
  offered(): void {
    if (!this.#onTrial) this.#updater?.offered()
  }

  /** As `offered`, in some seconds: all devices of the hub heard the same. */
  offeredSoon(): void {
    const { newsSpreadMs = NEWS_SPREAD_MS } = this.#options
    clearTimeout(this.#news)
    this.#news = setTimeout(() => this.offered(), Math.random() * newsSpreadMs).unref()
  }

  /** Something went on or off air. */
  broadcastsChanged(): void {
    if (!this.#onTrial) this.#updater?.broadcastsChanged()
  }

  /** The command `update`. */
  async order(order: UpdateOrder): Promise<Outcome> {
    if (!this.#updater) return refused('this agent was not installed from a package')
    if (this.#onTrial) return refused('the release that runs is on trial: order again in a minute or two')
    return this.#updater.order(order)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#news)
    this.#closing.abort()
    await this.#trial
    await this.#updater?.[Symbol.asyncDispose]()
  }

  async #try(releases: ReleaseFolder): Promise<void> {
    const { program, health, restart, logger, trialTimes, onChange } = this.#options
    const { signal } = this.#closing
    const { version } = program
    const times = trialTimes && { times: trialTimes }
    const options = { version, releases, saved: this.#saved, health, restart, logger, ...times }
    try {
      if (!(await tryRelease(options, signal))) return
      this.#onTrial = false
      if (this.#saved.last) this.#updater?.ended(this.#saved.last)
      onChange(this.state)
      this.offered()
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'the trial of the release could not be ended')
    }
  }
}

function refused(reason: string): Outcome {
  return { state: 'refused', code: 'update_refused', reason, details: [] }
}
