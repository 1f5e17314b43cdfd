import { z } from 'zod'
import { CodedError } from '../../common/errors.ts'
import { nextReleaseKeys, trustedRelease } from '../../common/release/release-signatures.ts'
import { compareVersions } from '../../common/release/release-version.ts'
import {
  type Release,
  type ReleaseArchitecture,
  type ReleaseFile,
  type ReleaseKeys,
  type ReleaseOffer,
  releaseVersionSchema,
  type SignedReleaseKeys,
} from '../../common/wire/release.ts'

/** What somebody ordered, by the command `update` or at the device. */
export const updateOrderSchema = z.object({
  /** Left out: the newest that is meant for this device. */
  version: releaseVersionSchema.optional(),
  /** An older release than the one that runs may be taken. */
  downgrade: z.boolean().default(false),
})
export type UpdateOrder = z.output<typeof updateOrderSchema>

/** A release that this device may take. */
export interface WantedRelease {
  readonly version: string
  readonly file: ReleaseFile
}

/** The device, as far as it decides. */
export interface Taker {
  readonly keys: ReleaseKeys | null
  readonly running: string
  readonly architecture: ReleaseArchitecture
  /** Whether a release was rolled back here. */
  readonly isBad: (version: string) => boolean
}

/**
 * The keys after all changes that the hub tells.
 * @throws CodedError `release_untrusted`, `release_invalid`
 */
export function keysAfter(keys: ReleaseKeys, changes: readonly SignedReleaseKeys[]): ReleaseKeys {
  return changes.reduce((present, change) => nextReleaseKeys(present, change), keys)
}

/**
 * Decides whether this device takes what the hub offers. Pure.
 * @returns null where there is nothing to do
 * @throws CodedError `release_untrusted`, `release_invalid`, and `update_refused`, with the reason
 */
export function wantedRelease(
  { release: signed }: Pick<ReleaseOffer, 'release'>,
  order: UpdateOrder | null,
  { keys, running, architecture, isBad }: Taker,
): WantedRelease | null {
  if (!signed) return null
  if (!keys)
    throw new CodedError('release_untrusted', 'this device knows no keys of releases', {
      details: ['enrol it again: the hub had no keys when it enrolled'],
    })
  const release = trustedRelease(signed, keys)
  const { version } = release
  if (order?.version !== undefined && version !== order.version)
    throw new CodedError('update_refused', `the hub has ${version} where ${order.version} was ordered`)
  const step = compareVersions(version, running)
  if (step === 0) return null
  if (step < 0 && !order?.downgrade)
    throw new CodedError('update_refused', `${version} is older than ${running}, which runs`, {
      details: ['order it with downgrade'],
    })
  if (order?.version === undefined && isBad(version)) return null
  return { version, file: fileFor(release, architecture) }
}

function fileFor({ version, files }: Release, architecture: ReleaseArchitecture): ReleaseFile {
  const file = files.find((each) => each.architecture === architecture)
  if (file) return file
  throw new CodedError('update_refused', `${version} has no file for ${architecture}`)
}
