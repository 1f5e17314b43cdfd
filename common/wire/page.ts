import { z } from 'zod'

/** The requested part of a list. */
export const pageQuery = {
  /** `next` of the previous page. */
  after: z.string().min(1).max(400).optional(),
  /** Most entries to answer with. */
  limit: z.number().int().min(1).max(1000).default(100),
} as const

/** The `after` of the next page; null on the last page. */
export const nextSchema = z.string().nullable()
