import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from 'zod'
import { readPicture } from '../../slates/read-picture.ts'
import type { SlatePictures } from '../../slates/slate-pictures.ts'
import { ETAG_HEADER, entityTag, requireMatch } from '../preconditions.ts'
import { MAX_PICTURE_BYTES } from '../request-body.ts'
import { defineRoute, Reply } from '../route.ts'
import { slateInfoSchema, slateQuery } from './slate-schemas.ts'

export const putSlate = (slates: Pick<SlatePictures, 'versionOf' | 'put'>) =>
  defineRoute({
    method: 'put',
    path: '/v1/slate',
    summary: 'Upload the picture of the slate',
    description:
      'Viewers of a lane without input see it, with the name of the stream and since when there is no input. PNG or JPEG, 2 MiB and 24 million pixels at most; not animated, not CMYK. The hub keeps it as a JPEG of 2560 pixels a side at most, turned upright by its EXIF and without anything else of the file. Lanes of another shape show the whole picture on a blurred one. The words stand on its lower quarter.',
    action: 'tenant.write',
    cost: 'write',
    ifMatch: 'optional',
    timeoutMs: 20_000,
    query: slateQuery,
    bodyTypes: ['image/png', 'image/jpeg'],
    maxBodyBytes: MAX_PICTURE_BYTES,
    body: z.instanceof(Buffer),
    answer: { status: 200, schema: slateInfoSchema, headers: ETAG_HEADER },
    errors: ['slate_invalid', 'slates_unavailable', 'version_conflict'],
    handle: async ({ tenantId, principal, ifMatch, signal }, { body }) => {
      // To take a body of this size together took some ms already.
      await nextTurn()
      const file = readPicture(body)
      await nextTurn()
      const version = await slates.versionOf(tenantId)
      requireMatch(ifMatch, version)
      const expected = ifMatch === null ? {} : { expectedVersion: version }
      const info = await slates.put(tenantId, file, principal, { ...expected, signal })
      return new Reply(info, { etag: entityTag(info.version) })
    },
  })
