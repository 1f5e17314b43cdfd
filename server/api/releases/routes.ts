import type { Route } from '../route.ts'
import { deleteRelease } from './delete-release.ts'
import { getRelease } from './get-release.ts'
import { getReleaseKeys } from './get-release-keys.ts'
import { listReleases } from './list-releases.ts'
import { offeredRelease } from './offered-release.ts'
import { postRelease } from './post-release.ts'
import { putReleaseFile } from './put-release-file.ts'
import { putReleaseKeys } from './put-release-keys.ts'
import { putRollout } from './put-rollout.ts'
import { readReleaseFile } from './read-release-file.ts'
import type { ReleaseParts } from './release-schemas.ts'

/** Releases of the agent: for the hub's admin, and for devices. */
export function releaseRoutes(parts: ReleaseParts): Route[] {
  return [
    getReleaseKeys(parts),
    putReleaseKeys(parts),
    listReleases(parts),
    postRelease(parts),
    getRelease(parts),
    putReleaseFile(parts),
    putRollout(parts),
    deleteRelease(parts),
    offeredRelease(parts),
    readReleaseFile(parts),
  ]
}
