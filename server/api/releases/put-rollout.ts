import { rolloutSchema } from '../../releases/release-record.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { answerOf, type ReleaseParts, releaseParams, releaseViewSchema } from './release-schemas.ts'

export const putRollout = (parts: ReleaseParts) =>
  defineRoute({
    method: 'put',
    path: '/v1/releases/{release_version}/rollout',
    summary: 'Say who gets a release',
    description:
      'Which tenants, and which share of their devices. A higher share adds devices and takes none away. `halted` stops it at once, also for devices that have it and wait for the end of a broadcast.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    ifMatch: 'optional',
    params: releaseParams,
    body: rolloutSchema,
    answer: { status: 200, schema: releaseViewSchema, headers: ETAG_HEADER },
    errors: ['release_not_found', 'release_incomplete', 'version_conflict'],
    handle: async ({ principal, ifMatch }, { params: { release_version: version }, body }) => {
      const present = await parts.releases.find(version)
      requireMatch(ifMatch, present.version)
      const view = await parts.releases.roll(version, body, principal, present.version)
      return new Reply(await answerOf(parts, view), { etag: entityTag(view.version) })
    },
  })
