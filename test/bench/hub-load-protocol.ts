import { z } from 'zod'

/** What the hub's benchmark and the process that loads the hub say to each other; tokens travel here only. */

export const loadOrderSchema = z.strictObject({
  hubUrl: z.string(),
  /** Bearer tokens of as many callers, who share the connections: each has a rate limit of its own. */
  tokens: z.array(z.string()).min(1),
  method: z.literal('POST'),
  path: z.string(),
  /** Bodies that take turns, ready to be sent; `"$NOW"` becomes the time of sending, Unix ms. */
  bodies: z.array(z.string()).min(1),
  expect: z.int(),
  /** An answer that does not count, and is no fault: the hub says that it is full. */
  mayRefuse: z.int().optional(),
  connections: z.int().min(1).max(256),
  seconds: z.number().positive(),
  /** Most requests a second; without it, each connection asks again as soon as it is answered. */
  perSecond: z.number().positive().optional(),
})
export type LoadOrder = z.infer<typeof loadOrderSchema>

export const loadResultSchema = z.strictObject({
  answered: z.int(),
  perSecond: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  /** Answers with another status than expected, by status, and broken connections as `0`. */
  others: z.record(z.string(), z.int()),
})
export type LoadResult = z.infer<typeof loadResultSchema>
