import { z } from 'zod'

/** What the hub and the process that feeds a lane say to each other about the lane, whatever its input is. */

const port = z.number().int().min(1).max(65_535)
const ssrc = z.number().int().min(1).max(0xffff_ffff)
const sequence = z.number().int().min(0).max(0xffff)

/**
 * The position of the lane's 90 kHz clock: ticks at time T are `offset90k + (T - epochMs) * 90`. T is in ms of the
 * machine's monotonic clock (`machineMs`), so that a process that began after the date was set can go on from its
 * predecessor's position.
 */
export const laneClockSchema = z.object({
  epochMs: z.number(),
  offset90k: z.number(),
  /** Highest tick that left so far. Ticks are never reduced; RTP carries their low 32 bits. */
  last90k: z.number(),
})
export type LaneClockState = z.infer<typeof laneClockSchema>

/** One SSRC of the lane; `sequence` is the number of its next packet. */
const laneTrackSchema = z.strictObject({ ssrc, payload_type: z.number().int().min(0).max(127), sequence })
export type LaneTrack = z.infer<typeof laneTrackSchema>

export const attachSchema = z.strictObject({
  type: z.literal('attach'),
  /** The lane's plain transport, on loopback; RTP and RTCP share the port (RFC 5761). */
  target: z.strictObject({ ip: z.string(), port }),
  /** One per rendition, ascending by picture size. */
  video: z.array(laneTrackSchema).max(4),
  audio: laneTrackSchema.nullable(),
  cname: z.string(),
  extension_ids: z.strictObject({ playout_delay: z.number().int(), abs_capture_time: z.number().int() }),
  /** `playout-delay` header extension in ms, or null to leave buffering to the viewer. */
  playout_delay_ms: z.strictObject({ min: z.number(), max: z.number() }).nullable(),
  clock: laneClockSchema,
})
export type Attach = z.infer<typeof attachSchema>
/** The outputs that a lane attaches; the rest of the message says where they send. */
export type LaneAttachment = Omit<Attach, 'type' | 'target'>

export const cursorsSchema = z.object({
  type: z.literal('cursors'),
  /** Next RTP sequence number by SSRC. */
  sequences: z.array(z.tuple([ssrc, sequence])),
  /** Null before the first attachment. */
  clock: laneClockSchema.nullable(),
})
export type Cursors = Omit<z.infer<typeof cursorsSchema>, 'type'>
