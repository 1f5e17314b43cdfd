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

/**
 * A page of a list in memory.
 * @param all the whole list, in the order of its keys
 */
export function pageOf<T>(
  all: readonly T[],
  keyOf: (each: T) => string,
  { after, limit }: { after?: string | undefined; limit: number },
): { items: T[]; next: string | null } {
  const from = after === undefined ? all : all.filter((each) => keyOf(each) > after)
  const items = from.slice(0, limit)
  const last = items.at(-1)
  return { items, next: last !== undefined && from.length > limit ? keyOf(last) : null }
}

/** The `after` of the page that follows a page of `limit` items. */
export function nextOf<T>(items: readonly T[], limit: number, keyOf: (each: T) => string): string | null {
  const last = items.at(-1)
  return last !== undefined && items.length === limit ? keyOf(last) : null
}
