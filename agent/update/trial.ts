import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { ReleaseFolder } from './release-folder.ts'
import type { SavedUpdate } from './saved-update.ts'
import { idle } from './updater.ts'

export interface TrialTimes {
  /** A release must be healthy at the end of this time, ms. */
  readonly proveMs: number
  /** An uplink may be away meanwhile: so much longer it may take, ms. */
  readonly graceMs: number
  /** Between two looks in the time of grace, ms. */
  readonly lookMs: number
}
export const TRIAL_TIMES: TrialTimes = { proveMs: 60_000, graceMs: 120_000, lookMs: 5000 }

export interface TrialOptions {
  /** The release that is tried: the one that runs. */
  readonly version: string
  readonly releases: ReleaseFolder
  readonly saved: SavedUpdate
  /** Why the agent is not as it should be; null: it is. */
  readonly health: () => string | null
  /** Ends the agent, so that the release before is started. */
  readonly restart: () => void
  readonly times?: TrialTimes
  readonly logger: Logger
}

/**
 * The trial of a release that runs for the first time. A release that ends by itself meanwhile is rolled back by the launcher,
 * one that stands still is ended by the watchdog of the unit.
 * @returns whether the release stays. Else the agent is about to end. @throws the reason of `signal`
 */
export async function tryRelease(options: TrialOptions, signal: AbortSignal): Promise<boolean> {
  const { version, releases, saved, health, restart, times = TRIAL_TIMES, logger } = options
  await delay(times.proveMs, undefined, { signal })
  let fault = health()
  for (let left = times.graceMs; fault !== null && left > 0; left -= times.lookMs) {
    await delay(times.lookMs, undefined, { signal })
    fault = health()
  }
  if (fault === null) {
    await releases.commit(version)
    await saved.change({ last: { ...idle(), state: 'done', version } })
    await releases.keepOnly([version, ...(saved.before === null ? [] : [saved.before])]).catch((error) => {
      logger.warn({ reason: messageOf(error) }, 'old releases stay on disk')
    })
    logger.info({ version }, 'the release is healthy and stays')
    return true
  }
  logger.error({ version, reason: fault, before: saved.before }, 'the release is not healthy: rolling back')
  await saved.markBad(version)
  await saved.change({ last: { ...idle(), state: 'rolled_back', version, reason: fault } })
  await releases.rollBack()
  restart()
  return false
}

/** Takes note of a release that the launcher rolled back because it did not stay up. */
export async function noteFailed(
  { releases, saved, logger }: Pick<TrialOptions, 'releases' | 'saved' | 'logger'>,
  running: string,
): Promise<void> {
  const failed = await releases.failed()
  if (failed === null) return
  const isNoted = saved.last?.state === 'rolled_back' && saved.last.version === failed
  if (!isNoted && failed !== running) {
    const reason = 'it ended three times within its first minutes, or could not be started'
    logger.error({ version: failed, reason }, 'a release was rolled back')
    await saved.markBad(failed)
    await saved.change({ last: { ...idle(), state: 'rolled_back', version: failed, reason } })
  }
  await releases.forgetFailed()
}
