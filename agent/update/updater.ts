import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError, messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type Backoff, backoffMs } from '../../common/retry.ts'
import type { Outcome } from '../../common/wire/node-protocol.ts'
import type { ReleaseArchitecture, ReleaseKeys, UpdateState } from '../../common/wire/release.ts'
import { refusalOf } from '../config/refusal.ts'
import type { HubAccess } from '../node/hub-access.ts'
import { downloadRelease } from './download.ts'
import { askForRelease } from './hub-releases.ts'
import type { ReleaseFolder } from './release-folder.ts'
import type { SavedUpdate } from './saved-update.ts'
import { keysAfter, type UpdateOrder, type WantedRelease, wantedRelease } from './wanted-release.ts'

/** Steps in which a download is told: the hub cuts off who tells too much. */
const TOLD_PERCENT = 10
const AGAIN: Backoff = { initialMs: 60_000, maxMs: 3_600_000, factor: 2 }

export interface UpdaterOptions {
  readonly hub: HubAccess
  readonly running: string
  readonly architecture: ReleaseArchitecture
  readonly releases: ReleaseFolder
  readonly saved: SavedUpdate
  /** For downloads that are under way. */
  readonly downloads: string
  /** Whether the device takes what is offered without an order. */
  readonly auto: () => boolean
  /** Whether anything is on air. */
  readonly onAir: () => boolean
  /** Ends the agent, so that it is started again. */
  readonly restart: () => void
  readonly onChange: (state: UpdateState) => void
  readonly logger: Logger
}

/**
 * Brings the agent to the release that its hub has for it: downloads and unpacks in the background, and swaps when nothing is
 * on air. What the new release then has to prove is in `trial.ts`.
 */
export class Updater implements AsyncDisposable {
  readonly #options: UpdaterOptions
  readonly #closing = new AbortController()
  #state: UpdateState
  /** Ends the work that is under way, for other work. */
  #current = new AbortController()
  #work: Promise<void> = Promise.resolve()
  /** The order that is followed; null: what is offered. */
  #order: UpdateOrder | null = null
  /** Unpacked; it waits until nothing is on air. */
  #ready: WantedRelease | null = null
  #failures = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: UpdaterOptions) {
    this.#options = options
    const { last } = options.saved
    // A trial that nobody ended, because another release was installed by hand, is none any more.
    this.#state = last && last.state !== 'trial' ? last : idle()
  }

  get state(): UpdateState {
    return this.#state
  }

  /** The last update, the one of this very release, has ended. */
  ended(state: UpdateState): void {
    this.#state = state
  }

  /** The hub may have something: it is reached again, or said so. */
  offered(): void {
    if (this.#options.auto() || this.#order) this.#begin(() => this.#look(this.#order))
  }

  /** Somebody orders an update. The answer comes when it is clear what is taken, long before it is there. */
  async order(order: UpdateOrder): Promise<Outcome> {
    try {
      const wanted = await this.#look(order)
      if (!wanted && order.version !== undefined && order.version === this.#options.running)
        return { state: 'done', detail: `${order.version} runs already` }
      if (!wanted) throw new CodedError('update_none', 'the hub has no release for this device')
      this.#order = order
      this.#begin(async () => wanted)
      return { state: 'done', detail: `${wanted.version} is taken as soon as nothing is on air` }
    } catch (thrown) {
      return refusalOf(thrown)
    }
  }

  /** Something went on or off air. */
  broadcastsChanged(): void {
    if (this.#ready && !this.#options.onAir()) this.#begin(() => this.#look(this.#order))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer)
    this.#closing.abort()
    this.#current.abort()
    await this.#work
  }

  /** Gives up what is under way, and follows `find` instead. */
  #begin(find: (signal: AbortSignal) => Promise<WantedRelease | null>): void {
    if (this.#closing.signal.aborted) return
    clearTimeout(this.#timer)
    this.#current.abort()
    this.#current = new AbortController()
    const { signal } = this.#current
    this.#work = this.#work.then(async () => {
      if (signal.aborted) return
      try {
        await this.#take(await find(signal), signal)
        this.#failures = 0
      } catch (thrown) {
        if (!signal.aborted) this.#failed(thrown)
      }
    })
  }

  /** What the hub has for this device, if the device takes it. */
  async #look(order: UpdateOrder | null): Promise<WantedRelease | null> {
    const { hub, running, architecture, saved } = this.#options
    const keysSerial = saved.keys?.serial ?? 0
    const asked = { architecture, running, keysSerial, ordered: order?.version }
    const offer = await askForRelease(hub, asked, this.#closing.signal)
    if (saved.keys && offer.key_changes.length > 0) await this.#changeKeys(saved.keys, offer.key_changes)
    const taker = {
      keys: saved.keys,
      running,
      architecture,
      isBad: (version: string) => saved.isBad(version),
    }
    return wantedRelease(offer, order, taker)
  }

  async #changeKeys(keys: ReleaseKeys, changes: Parameters<typeof keysAfter>[1]): Promise<void> {
    const next = keysAfter(keys, changes)
    await this.#options.saved.change({ keys: next })
    this.#options.logger.info({ serial: next.serial }, 'releases are signed with other keys from now on')
  }

  async #take(wanted: WantedRelease | null, signal: AbortSignal): Promise<void> {
    const { hub, releases, downloads, onAir, logger } = this.#options
    this.#ready = null
    if (!wanted) {
      this.#order = null
      // How the last update ended is told until there is another.
      if (this.#state.state !== 'done' && this.#state.state !== 'rolled_back') this.#become(idle())
      return
    }
    const { version, file } = wanted
    if (!(await releases.has(version))) {
      const progress = (percent: number) =>
        this.#become({
          state: 'downloading',
          version,
          percent: Math.floor(percent / TOLD_PERCENT) * TOLD_PERCENT,
        })
      progress(0)
      logger.info({ version, bytes: file.bytes }, 'downloading a release')
      const options = { hub, version, file, folder: downloads, onAir, onProgress: progress }
      const path = await downloadRelease(options, signal)
      try {
        await releases.install(version, path, signal)
      } catch (cause) {
        signal.throwIfAborted()
        throw new CodedError('update_failed', `${version} can't be unpacked: ${messageOf(cause)}`, { cause })
      } finally {
        await rm(path, { force: true })
      }
    }
    this.#ready = wanted
    if (onAir()) {
      if (this.#state.state !== 'ready') logger.info({ version }, 'a release waits until nothing is on air')
      this.#become({ state: 'ready', version })
    } else await this.#swap(wanted, signal)
  }

  async #swap({ version }: WantedRelease, signal: AbortSignal): Promise<void> {
    const { releases, saved, running, onAir, restart, logger } = this.#options
    // It may have been halted while it was downloaded.
    const still = await this.#look(this.#order)
    signal.throwIfAborted()
    if (still?.version !== version) return this.#begin(async () => still)
    if (onAir()) return this.#become({ state: 'ready', version })
    this.#become({ state: 'trial', version })
    await saved.change({ last: this.#state, before: running })
    await releases.beginTrial(version)
    logger.info({ version, before: running }, 'the agent starts again with another release')
    restart()
  }

  #failed(thrown: unknown): void {
    const isRefused =
      thrown instanceof CodedError &&
      ['release_untrusted', 'release_invalid', 'update_refused'].includes(thrown.code)
    const againMs = backoffMs(AGAIN, this.#failures)
    this.#failures += 1
    const reason = messageOf(thrown).slice(0, 500)
    this.#options.logger.warn({ reason, again_ms: Math.round(againMs) }, 'no update')
    this.#become({ state: isRefused ? 'refused' : 'failed', version: this.#state.version, reason })
    this.#timer = setTimeout(() => this.#begin(() => this.#look(this.#order)), againMs).unref()
  }

  #become(state: Partial<UpdateState> & Pick<UpdateState, 'state'>): void {
    const next = { ...idle(), ...state }
    const isSame = next.state === this.#state.state && next.percent === this.#state.percent
    this.#state = next
    if (!isSame) this.#options.onChange(next)
  }
}

/** Nothing to do. */
export function idle(): UpdateState {
  return { state: 'idle', version: null, reason: null, percent: null, at: Date.now() }
}

/** Where what updates need is, below the agent's state. */
export function updateFolders(stateFolder: string): { readonly saved: string; readonly downloads: string } {
  return { saved: join(stateFolder, 'update.json'), downloads: join(stateFolder, 'downloads') }
}
