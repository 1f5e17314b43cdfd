import { z } from 'zod'
import { MAX_RELEASE_BYTES } from '../../../common/wire/release.ts'
import { fileFor } from '../../releases/release-book.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import { type ReleaseParts, releaseFileParams } from './release-schemas.ts'

export const putReleaseFile = ({ releases, releaseFiles }: ReleaseParts) =>
  defineRoute({
    method: 'put',
    path: '/v1/releases/{release_version}/files/{architecture}',
    summary: 'Upload a part of a release file',
    description:
      'Parts of at most 1 MiB, one after the other, `offset` where what is there ends; an upload that broke off goes on by that. The last part makes the file whole if its SHA-256 is the signed one.',
    action: 'node.write',
    role: 'admin',
    cost: 'write',
    timeoutMs: 30_000,
    params: releaseFileParams,
    query: z.strictObject({ offset: z.int().min(0).max(MAX_RELEASE_BYTES).default(0) }),
    bodyTypes: ['application/octet-stream'],
    body: z.instanceof(Buffer),
    answer: { status: 200, schema: z.object({ present: z.number().int(), bytes: z.number().int() }) },
    errors: ['release_not_found', 'release_offset', 'release_damaged', 'releases_unavailable'],
    handle: async (
      _context,
      { params: { release_version: version, architecture }, query: { offset }, body },
    ) => {
      const { release } = await releases.find(version)
      const file = fileFor(release, architecture)
      if (!file) throw notFound('release')
      return { present: await releaseFiles.append(version, file, offset, body), bytes: file.bytes }
    },
  })
