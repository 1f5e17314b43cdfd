import type { SlatePictures } from '../../slates/slate-pictures.ts'
import { requireMatch } from '../preconditions.ts'
import { defineRoute } from '../route.ts'
import { slateQuery } from './slate-schemas.ts'

export const deleteSlate = (slates: Pick<SlatePictures, 'versionOf' | 'remove'>) =>
  defineRoute({
    method: 'delete',
    path: '/v1/slate',
    summary: 'Delete the picture of the slate',
    description: "The tenant's slates have our picture again.",
    action: 'tenant.write',
    cost: 'write',
    ifMatch: 'optional',
    query: slateQuery,
    answer: { status: 204 },
    errors: ['slate_not_found', 'version_conflict'],
    handle: async ({ tenantId, principal, ifMatch }) => {
      const version = await slates.versionOf(tenantId)
      requireMatch(ifMatch, version)
      await slates.remove(tenantId, principal, ifMatch === null ? undefined : version)
    },
  })
