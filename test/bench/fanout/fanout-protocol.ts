import { z } from 'zod'

/** What the fan-out benchmark and the process of its viewers say to each other. */

/** SRTP protection profiles by the names of their registry (RFC 5764 section 4.1.2, RFC 7714 section 14.2). */
export const srtpProfiles = ['AEAD_AES_128_GCM', 'AES128_CM_HMAC_SHA1_80'] as const
export type SrtpProfile = (typeof srtpProfiles)[number]

export const viewerOrderSchema = z.strictObject({
  type: z.literal('view'),
  id: z.int(),
  /** Viewers are counted by group. */
  group: z.string(),
  ip: z.string(),
  port: z.int(),
  ice: z.strictObject({ usernameFragment: z.string(), password: z.string() }),
  /** Whether the arrivals of its packets are noted. */
  jitter: z.boolean(),
  /** Of the video. */
  ssrc: z.int(),
  /** Where transport-cc was negotiated: ids of its header extension and of abs-send-time. */
  feedback: z.strictObject({ sequenceId: z.int(), sendTimeId: z.int() }).nullable(),
})
export type ViewerOrder = z.infer<typeof viewerOrderSchema>

export const toViewersSchema = z.discriminatedUnion('type', [
  viewerOrderSchema,
  z.strictObject({ type: z.literal('count'), group: z.string() }),
])

export const fromViewersSchema = z.discriminatedUnion('type', [
  /** DTLS fingerprint of all viewers, SHA-256. */
  z.strictObject({ type: z.literal('ready'), fingerprint: z.string() }),
  z.strictObject({ type: z.literal('viewing'), id: z.int(), crypto: z.enum(srtpProfiles) }),
  z.strictObject({ type: z.literal('failed'), id: z.int(), why: z.string() }),
  /** RTP packets that all viewers of the group received so far, and those missing between them. */
  z.strictObject({
    type: z.literal('counted'),
    group: z.string(),
    received: z.int(),
    lost: z.int(),
    /** p99 since the last count; null where nobody notes arrivals. */
    jitterMs: z.number().nullable(),
  }),
])
export type FromViewers = z.infer<typeof fromViewersSchema>
export type Counted = Omit<Extract<FromViewers, { type: 'counted' }>, 'type' | 'group'>
