import { z } from 'zod'
import { defineRoute } from '../route.ts'
import { answerOf, type ReleaseParts, releaseViewSchema } from './release-schemas.ts'

export const listReleases = (parts: ReleaseParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/releases',
    summary: 'List releases of the agent',
    description: 'The newest first, at most 32.',
    action: 'node.read',
    role: 'admin',
    cost: 'read',
    answer: { status: 200, schema: z.object({ releases: z.array(releaseViewSchema) }) },
    handle: async () => ({
      releases: await Promise.all(parts.releases.list().map((view) => answerOf(parts, view))),
    }),
  })
