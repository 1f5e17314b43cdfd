import { z } from 'zod'
import { releaseKeysSchema } from '../../../common/wire/release.ts'
import { defineRoute } from '../route.ts'
import type { ReleaseParts } from './release-schemas.ts'

export const getReleaseKeys = ({ releases }: Pick<ReleaseParts, 'releases'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/release-keys',
    summary: 'Get the keys of releases',
    description: 'The public keys that devices pin when they enrol now; null where there are none yet.',
    action: 'node.read',
    cost: 'read',
    answer: { status: 200, schema: z.object({ keys: releaseKeysSchema.nullable() }) },
    handle: () => ({ keys: releases.keys }),
  })
