import { z } from 'zod'

/** What the fan-out benchmark and the process of its viewers say to each other. */

export const viewerOrderSchema = z.strictObject({
  type: z.literal('view'),
  id: z.int(),
  /** Viewers are counted by group. */
  group: z.string(),
  ip: z.string(),
  port: z.int(),
  ice: z.strictObject({ usernameFragment: z.string(), password: z.string() }),
  /** Where transport-cc was negotiated: ids of its header extension and of abs-send-time, and the SSRC that is received. */
  feedback: z.strictObject({ sequenceId: z.int(), sendTimeId: z.int(), ssrc: z.int() }).nullable(),
})
export type ViewerOrder = z.infer<typeof viewerOrderSchema>

export const toViewersSchema = z.discriminatedUnion('type', [
  viewerOrderSchema,
  z.strictObject({ type: z.literal('count'), group: z.string() }),
])

export const fromViewersSchema = z.discriminatedUnion('type', [
  /** DTLS fingerprint of all viewers, SHA-256. */
  z.strictObject({ type: z.literal('ready'), fingerprint: z.string() }),
  z.strictObject({ type: z.literal('viewing'), id: z.int() }),
  z.strictObject({ type: z.literal('failed'), id: z.int(), why: z.string() }),
  /** RTP packets that all viewers of the group received so far. */
  z.strictObject({ type: z.literal('counted'), received: z.int() }),
])
export type FromViewers = z.infer<typeof fromViewersSchema>
