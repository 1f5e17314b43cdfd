import { defineRoute } from '../route.ts'
import { type ReleaseParts, releaseParams } from './release-schemas.ts'

export const deleteRelease = ({ releases }: Pick<ReleaseParts, 'releases'>) =>
  defineRoute({
    method: 'delete',
    path: '/v1/releases/{release_version}',
    summary: 'Delete a release of the agent',
    description: 'Its files go, too. Devices that run it go on.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    params: releaseParams,
    answer: { status: 204 },
    errors: ['release_not_found'],
    handle: ({ principal }, { params: { release_version: version } }) => releases.remove(version, principal),
  })
