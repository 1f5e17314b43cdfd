import { z } from 'zod'
import {
  releaseArchitectureSchema,
  releaseOfferSchema,
  releaseVersionSchema,
} from '../../../common/wire/release.ts'
import { defineRoute } from '../route.ts'
import type { ReleaseParts } from './release-schemas.ts'

export const offeredRelease = ({ releases }: Pick<ReleaseParts, 'releases'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/node/release',
    summary: 'Ask for a release',
    description:
      'For a node: the newest release that is newer than the one it runs and meant for it; or with `ordered` that one, older ones too, whatever its rollout says. And the changes of keys that it does not know.',
    action: null,
    role: 'node',
    cost: 'read',
    query: z.strictObject({
      architecture: releaseArchitectureSchema,
      running: releaseVersionSchema,
      keys_serial: z.int().min(0).max(1_000_000).default(0),
      ordered: releaseVersionSchema.optional(),
    }),
    answer: { status: 200, schema: releaseOfferSchema },
    errors: ['certificate_required'],
    handle: ({ principal }, { query: { architecture, running, keys_serial, ordered } }) =>
      releases.offerFor({
        tenantId: principal.tenant_id,
        nodeId: principal.node_id ?? '',
        architecture,
        running,
        keysSerial: keys_serial,
        ordered,
      }),
  })
