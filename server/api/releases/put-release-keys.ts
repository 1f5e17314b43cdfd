import { releaseKeysSchema, signedReleaseKeysSchema } from '../../../common/wire/release.ts'
import { defineRoute } from '../route.ts'
import type { ReleaseParts } from './release-schemas.ts'

export const putReleaseKeys = ({ releases }: Pick<ReleaseParts, 'releases'>) =>
  defineRoute({
    method: 'put',
    path: '/v1/release-keys',
    summary: 'Change the keys of releases',
    description:
      'Ed25519 keys whose signatures devices believe. Devices pin them when they enrol. Two of the keys before must sign the next ones, whose serial is one more; two of the first keys sign these themselves. `npm run release` makes and signs them.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    maxBodyBytes: 16 * 1024,
    body: signedReleaseKeysSchema,
    answer: { status: 200, schema: releaseKeysSchema },
    errors: ['release_untrusted', 'release_invalid', 'version_conflict'],
    handle: ({ principal }, { body }) => releases.changeKeys(body, principal),
  })
