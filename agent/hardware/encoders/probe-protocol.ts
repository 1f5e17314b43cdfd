import { z } from 'zod'
import { encoderFactSchema } from '../../../common/wire/node-report.ts'
import { VIDEO_ENCODERS } from '../../encoder/video-encoders.ts'

/** What the agent and its probe process say to each other over the channel that the agent opens. */

export const probeOrderSchema = z.strictObject({
  /** GStreamer's elements, tried in this order. */
  elements: z.array(z.enum(VIDEO_ENCODERS)).min(1).max(VIDEO_ENCODERS.length),
})
export type ProbeOrder = z.output<typeof probeOrderSchema>

export const probeReportSchema = z.discriminatedUnion('type', [
  /** Told before each trial: an encoder may end the process. */
  z.strictObject({ type: z.literal('trying'), element: z.enum(VIDEO_ENCODERS) }),
  z.strictObject({ type: z.literal('tried'), fact: encoderFactSchema }),
  /** Nothing can be tried here. */
  z.strictObject({ type: z.literal('unavailable'), reason: z.string().max(1000) }),
  z.strictObject({ type: z.literal('done') }),
])
export type ProbeReport = z.output<typeof probeReportSchema>
export type EncoderFact = z.output<typeof encoderFactSchema>
