import { CodedError } from '../../common/errors.ts'
import { badRequest } from './refusals.ts'

/** Versions that `If-Match` names; -1 for a tag that no document of ours has. `*`: any version, if there is one. */
export type EntityTags = '*' | readonly number[]

const TAG = /^(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/
const VERSION = /^(0|[1-9]\d{0,14})$/

/** The entity tag of a document's version, RFC 9110 section 8.8.3. */
export function entityTag(version: number): string {
  return `"${version}"`
}

/** The header of an answer whose version can be named in `If-Match`. */
export const ETAG_HEADER = {
  ETag: { description: 'The version, for `If-Match`.', example: '"3"' },
} as const

/**
 * Reads `If-Match`, RFC 9110 section 13.1.1. A weak tag never matches there.
 * @throws CodedError 400 where the header is no list of entity tags
 */
export function readIfMatch(header: string | undefined): EntityTags | null {
  if (header === undefined) return null
  if (header.trim() === '*') return '*'
  return header.split(',').map((part) => {
    const [whole, weak, tag = ''] = TAG.exec(part.trim()) ?? []
    if (whole === undefined)
      throw badRequest('If-Match is malformed', [
        'header If-Match: must be `*` or versions in quotes as ETag gives them, e.g. "3"',
      ])
    return weak === undefined && VERSION.test(tag) ? Number(tag) : -1
  })
}

/** @throws CodedError 412 unless `tags` name `version`, which is 0 for a missing document. null matches anything. */
export function requireMatch(tags: EntityTags | null, version: number): void {
  const matches = tags === null || (tags === '*' ? version > 0 : tags.includes(version))
  if (!matches)
    throw new CodedError('version_conflict', 'somebody changed it meanwhile', {
      details: [`the version is ${version}: read it again, and send its ETag as If-Match`],
    })
}
