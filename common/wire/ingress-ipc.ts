import { z } from 'zod'
import { attachSchema, cursorsSchema } from './lane-ipc.ts'
import { linkArrivalsSchema } from './link-arrivals.ts'
import { LOG_LEVELS } from './log-level.ts'
import { streamIdSchema } from './stream.ts'

/**
 * What the hub and an ingress process say to each other over the channel that a supervisor opens. Secrets
 * travel here and nowhere else: never in arguments, environment or files.
 */

const port = z.number().int().min(1).max(65_535)

export const ristInputSchema = z.strictObject({
  /** Address the link ports listen on. */
  address: z.string(),
  /** One port per link of the sender's bond. */
  links: z.array(z.strictObject({ port })).min(1).max(16),
  passphrase: z.string().min(8).max(127),
  aes_bits: z.union([z.literal(128), z.literal(256)]),
  /** `passphrase` leaves SRP out, for senders that can't do SRP. Nothing unencrypted gets in either way. */
  authentication: z.enum(['srp', 'passphrase']),
  username: z.string().max(127),
  password: z.string().max(127),
  /** Recovery buffer: starts with `start_ms` and is fitted to `rtt_multiple` x RTT within the bounds, ms. */
  buffer: z.strictObject({
    start_ms: z.number().int().min(0),
    min_ms: z.number().int().min(0),
    max_ms: z.number().int().min(0),
    rtt_multiple: z.number().positive(),
  }),
})
export type RistInput = z.infer<typeof ristInputSchema>

export const hubToIngressSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('start'),
    stream_id: streamIdSchema,
    log_level: z.enum(LOG_LEVELS),
    input: ristInputSchema,
    /** Loopback port from which RTP leaves. It outlives the process, so that the lane's transport keeps its peer. */
    rtp_port: port,
  }),
  attachSchema,
  z.strictObject({ type: z.literal('detach') }),
])
export type HubToIngress = z.infer<typeof hubToIngressSchema>

/**
 * The pictures of a stream that flows. `whole`: they leave whole, or the stream announces none. `damaged`: some arrive
 * damaged and are left out. `waiting`: what arrives waits for a keyframe. `none`: none arrive although the stream
 * announces pictures.
 */
export const PICTURE_STATES = ['whole', 'damaged', 'waiting', 'none'] as const
export type PictureState = (typeof PICTURE_STATES)[number]

export const programSchema = z.object({
  video: z.array(z.object({ width: z.number().int(), height: z.number().int(), profile: z.string() })),
  audio: z.object({ source: z.enum(['opus', 'aac']), channels: z.number().int() }).nullable(),
  /** Why the sender's sound is left out, if it is. */
  audio_refusal: z.string().nullable(),
})
export type Program = z.infer<typeof programSchema>

const linkStats = z.object({
  name: z.string(),
  /** The UDP port it arrives at. */
  port,
  alive: z.boolean(),
  rtt_ms: z.number(),
  bitrate_kbps: z.number(),
})

export const ingressStatsSchema = z.object({
  type: z.literal('stats'),
  quality: z.number(),
  received: z.number(),
  recovered: z.number(),
  lost: z.number(),
  links: z.array(linkStats),
  video: z.array(
    z.object({
      kbps: z.number(),
      fps: z.number(),
      /** Media time between the last two keyframes; 0 before the second keyframe. */
      keyframe_gap_ms: z.number(),
    }),
  ),
  audio_kbps: z.number(),
})
export type IngressStats = z.infer<typeof ingressStatsSchema>

export const ingressToHubSchema = z.discriminatedUnion('type', [
  /** The process is loaded and waits for `start`. Only now must its ports be free. */
  z.object({ type: z.literal('loaded') }),
  /** No sender has proved itself, or the proved sender has been away for long: the process is not needed. */
  z.object({ type: z.literal('unused'), proven: z.boolean() }),
  /** The link ports listen. */
  z.object({ type: z.literal('ready') }),
  /** A sender's flow came, went, or was replaced by its restarted sender's flow. */
  z.object({ type: z.literal('flow'), state: z.enum(['connected', 'lost', 'replaced']) }),
  /** The buffer was fitted to the path, which interrupted the stream. A successor process starts with this buffer. */
  z.object({ type: z.literal('buffer'), ms: z.number().int(), rtt_ms: z.number() }),
  z.object({ type: z.literal('program'), program: programSchema }),
  z.object({ type: z.literal('refused'), code: z.string(), message: z.string() }),
  z.object({ type: z.literal('recovered') }),
  /** RTP began to leave or stopped, or the state of the pictures changed. */
  z.object({ type: z.literal('media'), flowing: z.boolean(), pictures: z.enum(PICTURE_STATES) }),
  z.object({
    type: z.literal('capture'),
    rtp90k: z.number(),
    capture_unix_ms: z.number(),
    source: z.enum(['sender', 'arrival']),
  }),
  cursorsSchema,
  linkArrivalsSchema.extend({ type: z.literal('arrivals') }),
  ingressStatsSchema,
  /** The process refused a sender, or something that a sender sent. */
  z.object({
    type: z.literal('rejected'),
    reason: z.string(),
    detail: z.string(),
    /** How often since the last such message. */
    count: z.number().int().min(1),
  }),
  /** Damage in the input since the last such message, by kind. */
  z.object({ type: z.literal('issues'), counts: z.record(z.string(), z.number().int()) }),
  z.object({ type: z.literal('keyframe-request'), rendition: z.int().min(0).max(3).nullable() }),
  /** The process can't do its work, and ends. */
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
])
export type IngressToHub = z.infer<typeof ingressToHubSchema>
