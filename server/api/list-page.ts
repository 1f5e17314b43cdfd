/**
 * A page of what is in memory, in the order of its keys.
 * @param all in that order
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

/** Where the page after one of `limit` documents begins. */
export function nextOf<T>(items: readonly T[], limit: number, keyOf: (each: T) => string): string | null {
  const last = items.at(-1)
  return last !== undefined && items.length === limit ? keyOf(last) : null
}
