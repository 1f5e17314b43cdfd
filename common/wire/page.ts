import { z } from 'zod'

/** Which part of a list is asked for. */
export const pageQuery = {
  /** `next` of the page before. */
  after: z.string().min(1).max(400).optional(),
  /** Most entries to answer with. */
  limit: z.number().int().min(1).max(1000).default(100),
} as const

/** Where the next page begins; null on the last one. */
export const nextSchema = z.string().nullable()
