import { z } from 'zod'
import { MAX_RELEASE_BYTES } from '../../../common/wire/release.ts'
import { fileFor } from '../../releases/release-book.ts'
import { notFound } from '../refusals.ts'
import { defineRoute } from '../route.ts'
import { type ReleaseParts, releaseFileParams } from './release-schemas.ts'

/** Longest part, bytes. */
const MAX_PART = 512 * 1024

export const readReleaseFile = ({ releases, releaseFiles }: ReleaseParts) =>
  defineRoute({
    method: 'get',
    path: '/v1/node/releases/{release_version}/files/{architecture}',
    summary: 'Download a part of a release file',
    description:
      'For a node: `length` bytes from `offset`, 512 KiB at most, fewer at the end of the file. A download that broke off goes on where it ended.',
    action: null,
    role: 'node',
    cost: 'read',
    params: releaseFileParams,
    query: z.strictObject({
      offset: z.int().min(0).max(MAX_RELEASE_BYTES).default(0),
      length: z.int().min(1).max(MAX_PART).default(MAX_PART),
    }),
    answer: { status: 200, type: 'application/octet-stream' },
    errors: ['certificate_required', 'release_not_found', 'releases_unavailable'],
    handle: async (
      _context,
      { params: { release_version: version, architecture }, query: { offset, length } },
    ) => {
      const { release } = await releases.find(version)
      const file = fileFor(release, architecture)
      if (!file) throw notFound('release')
      return await releaseFiles.read(version, file, offset, length)
    },
  })
