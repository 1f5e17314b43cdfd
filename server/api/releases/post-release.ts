import { signedReleaseSchema } from '../../../common/wire/release.ts'
import { defineRoute } from '../route.ts'
import { answerOf, type ReleaseParts, releaseViewSchema } from './release-schemas.ts'

export const postRelease = (parts: ReleaseParts) =>
  defineRoute({
    method: 'post',
    path: '/v1/releases',
    summary: 'Add a release of the agent',
    description:
      'What is in it, with the signature of one of the keys. Its files are uploaded next; nobody gets it before its rollout says so. The same release again changes nothing.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    maxBodyBytes: 16 * 1024,
    body: signedReleaseSchema,
    answer: { status: 201, schema: releaseViewSchema },
    errors: ['release_untrusted', 'release_invalid', 'release_exists', 'too_many_releases'],
    handle: async ({ principal }, { body }) => answerOf(parts, await parts.releases.add(body, principal)),
  })
