import { z } from 'zod'
import { encoderFactSchema } from '../../../common/wire/node-report.ts'

/** What the agent and its probe process say to each other over the channel that the agent opens. */

/** H.264 encoders of GStreamer that the agent can use, the best first. */
export const KNOWN_ENCODERS = ['mpph264enc', 'v4l2h264enc', 'vah264enc', 'vaapih264enc', 'x264enc'] as const

export const probeOrderSchema = z.strictObject({
  /** GStreamer's elements, tried in this order. */
  elements: z.array(z.enum(KNOWN_ENCODERS)).min(1).max(KNOWN_ENCODERS.length),
})
export type ProbeOrder = z.output<typeof probeOrderSchema>

export const probeReportSchema = z.discriminatedUnion('type', [
  /** Told before each trial: an encoder may end the process. */
  z.strictObject({ type: z.literal('trying'), element: z.enum(KNOWN_ENCODERS) }),
  z.strictObject({ type: z.literal('tried'), fact: encoderFactSchema }),
  /** Nothing can be tried here. */
  z.strictObject({ type: z.literal('unavailable'), reason: z.string().max(1000) }),
  z.strictObject({ type: z.literal('done') }),
])
export type ProbeReport = z.output<typeof probeReportSchema>
export type EncoderFact = z.output<typeof encoderFactSchema>
