import { z } from 'zod'

/*
 * Store and forward: media that a sender could not send in time, as segments of MPEG-TS. The hub keeps them beside the
 * stream, so that a recording can have its gaps filled. A segment is named by the capture times that it covers.
 */

export const SEGMENT_TYPE = 'video/mp2t'
export const MAX_SEGMENT_BYTES = 4 * 1024 * 1024
/** Longest time of one segment, ms. */
export const MAX_SEGMENT_MS = 60_000

/** First and last capture time, Unix ms of the hub's clock. */
export interface SegmentRange {
  readonly from: number
  readonly to: number
}

const RANGE = /^(\d{1,15})-(\d{1,15})$/

/** The range of a name such as `1700000000000-1700000002000`; null where it is none. */
export function rangeOf(name: string): SegmentRange | null {
  const match = RANGE.exec(name)
  if (!match) return null
  const [from, to] = [Number(match[1]), Number(match[2])]
  return from <= to && to - from <= MAX_SEGMENT_MS ? { from, to } : null
}

export const rangeName = ({ from, to }: SegmentRange): string => `${from}-${to}`

export const rangeNameSchema = z
  .string()
  .regex(RANGE, 'a range is first and last capture time, Unix ms, with a dash between')
  .refine(
    (name) => rangeOf(name) !== null,
    `a range ends after it begins, ${MAX_SEGMENT_MS} ms later at most`,
  )
  .meta({ examples: ['1764490000000-1764490002000'] })

export const segmentSchema = z.object({
  /** Capture time of the first picture, Unix ms. */
  from: z.number().int(),
  /** Capture time of the last. */
  to: z.number().int(),
  bytes: z.number().int(),
})
export type SegmentFact = z.output<typeof segmentSchema>
