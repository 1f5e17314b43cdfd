import type { SlatePictures } from '../../slates/slate-pictures.ts'
import { ETAG_HEADER, entityTag } from '../preconditions.ts'
import { defineRoute, Reply } from '../route.ts'
import { slateQuery } from './slate-schemas.ts'

export const getSlate = (slates: Pick<SlatePictures, 'get'>) =>
  defineRoute({
    method: 'get',
    path: '/v1/slate',
    summary: 'Get the picture of the slate',
    description:
      'As the hub keeps it: an upright JPEG. 404 where the tenant has none, and its slates have ours.',
    action: 'tenant.read',
    cost: 'read',
    query: slateQuery,
    answer: { status: 200, type: 'image/jpeg', headers: ETAG_HEADER },
    errors: ['slate_not_found'],
    handle: async ({ tenantId }) => {
      const { info, jpeg } = await slates.get(tenantId)
      return new Reply(jpeg, { etag: entityTag(info.version) })
    },
  })
