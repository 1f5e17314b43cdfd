import { z } from 'zod'
import {
  releaseArchitectureSchema,
  releaseFileSchema,
  releaseSchema,
  releaseVersionSchema,
} from '../../../common/wire/release.ts'
import type { ReleaseBook, ReleaseView } from '../../releases/release-book.ts'
import type { ReleaseFiles } from '../../releases/release-files.ts'
import { rolloutSchema } from '../../releases/release-record.ts'

/** What routes of releases work on. */
export interface ReleaseParts {
  readonly releases: Pick<
    ReleaseBook,
    'keys' | 'list' | 'find' | 'add' | 'roll' | 'remove' | 'changeKeys' | 'offerFor'
  >
  readonly releaseFiles: Pick<ReleaseFiles, 'present' | 'append' | 'read'>
}

export const releaseParams = z.strictObject({ release_version: releaseVersionSchema })
export const releaseFileParams = z.strictObject({
  release_version: releaseVersionSchema,
  architecture: releaseArchitectureSchema,
})

/** A release as answers have it. */
export const releaseViewSchema = z.object({
  release: z.object({
    ...releaseSchema.shape,
    files: z.array(
      z.object({
        ...releaseFileSchema.shape,
        /** Bytes that this hub has; all of them where the file is complete. */
        present: z.number().int(),
      }),
    ),
  }),
  rollout: rolloutSchema,
  /** Unix ms. */
  created_at: z.number(),
  created_by: z.string(),
})

export async function answerOf(
  { releaseFiles }: Pick<ReleaseParts, 'releaseFiles'>,
  { release, rollout, created_at, created_by }: ReleaseView,
): Promise<z.input<typeof releaseViewSchema>> {
  const files = release.files.map(async (file) => ({
    ...file,
    present: await releaseFiles.present(release.version, file),
  }))
  const { tenants, percent, halted } = rollout
  return {
    release: { ...release, files: await Promise.all(files) },
    rollout: { tenants: tenants && [...tenants], percent, halted },
    created_at,
    created_by,
  }
}
