import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { answerOf, type ReleaseParts, releaseParams, releaseViewSchema } from './release-schemas.ts'

export const getRelease = (parts: ReleaseParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/releases/{release_version}',
    summary: 'Get a release of the agent',
    description: 'What is in it, how much of its files this hub has, and who gets it.',
    action: 'node.read',
    role: 'admin',
    cost: 'read',
    params: releaseParams,
    answer: { status: 200, schema: releaseViewSchema, headers: ETAG_HEADER },
    errors: ['release_not_found'],
    handle: async (_context, { params }) => {
      const view = await parts.releases.find(params.release_version)
      return new Reply(await answerOf(parts, view), { etag: entityTag(view.version) })
    },
  })
