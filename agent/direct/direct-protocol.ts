import { z } from 'zod'

/*
 * What the agent and its process for viewers of its own network say to each other over the channel that a supervisor
 * opens. Media comes in frames on the process's standard input (`../sender/ts-frames.ts`).
 */

/** Longest description of a session, bytes: a browser's is about 4 kB. */
export const MAX_SDP_BYTES = 32 * 1024

const viewer = z.string().min(1).max(64)
const sdp = z.string().min(1).max(MAX_SDP_BYTES)

export const directCommandSchema = z.discriminatedUnion('type', [
  /** A viewer's offer (RFC 8829). Answer: `answer` or `refused`. */
  z.strictObject({ type: z.literal('offer'), viewer, sdp }),
  z.strictObject({ type: z.literal('leave'), viewer }),
])
export type DirectCommand = z.infer<typeof directCommandSchema>

export const directReportSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  /** Twice a second: the process lives. */
  z.object({ type: z.literal('alive') }),
  z.object({ type: z.literal('answer'), viewer: z.string(), sdp: z.string() }),
  z.object({ type: z.literal('refused'), viewer: z.string(), reason: z.string() }),
  /** The viewer's way is gone, or never came up. */
  z.object({ type: z.literal('left'), viewer: z.string() }),
  /** A viewer needs an IDR. */
  z.object({ type: z.literal('keyframe') }),
])
export type DirectReport = z.infer<typeof directReportSchema>
