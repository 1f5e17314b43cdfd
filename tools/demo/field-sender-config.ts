import { z } from 'zod'
import { streamClassSchema, streamIdSchema } from '../../common/wire/stream.ts'
import { laneInputTextSchema } from '../../common/wire/switched-inputs.ts'
import { testCardOptions } from './test-card.ts'

const link = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(1).max(65535),
  cname: z.string().max(127).default('link'),
  weight: z.int().min(1).max(1000).default(100),
})

const anySender = {
  nullPacketDeletion: z.boolean().default(false),
  card: testCardOptions.prefault({}),
  /** `auto`: GStreamer where it is installed and can do what the card asks for, else ffmpeg. */
  encoder: z.enum(['auto', 'ffmpeg']).default('auto'),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
}

/** Address and secrets, for hubs and receivers with the same values. */
const explicitConfig = z.strictObject({
  ...anySender,
  links: z.array(link).min(1).max(8),
  mode: z.enum(['duplicate', 'share']).default('duplicate'),
  bufferMs: z.int().min(10).max(30_000).default(200),
  passphrase: z.string().min(1).max(127),
  aesBits: z.union([z.literal(128), z.literal(256)]).default(256),
  username: z.string().min(1).max(255),
  password: z.string().min(1).max(255),
})

/** The hub to ask for a contract, which says the rest. */
const contractConfig = z.strictObject({
  ...anySender,
  hub_url: z.url({ protocol: /^https?$/ }),
  token: z.string().min(1),
  stream_id: streamIdSchema,
  class: streamClassSchema.default('director'),
  /** `primary`, `standby`, `standby:2`: which of several senders of the stream this is. */
  input: laneInputTextSchema.optional(),
})

/** The configuration of a simulated field sender: one message, or one line on standard input. It holds secrets. */
export const fieldSenderConfig = z.union([explicitConfig, contractConfig])
export type FieldSenderConfig = z.input<typeof fieldSenderConfig>

/** Commands while it runs, over the process's message channel; only without a contract. */
export const fieldSenderCommand = z.strictObject({
  type: z.literal('weight'),
  link: z.int().min(0),
  weight: z.int().min(1).max(1000),
})
export type FieldSenderCommand = z.input<typeof fieldSenderCommand>

/** Reports to the parent process. `sending`: a link has authenticated and bytes are going out. */
export const fieldSenderReport = z.discriminatedUnion('type', [
  z.object({ type: z.literal('sending') }),
  z.object({
    type: z.literal('stats'),
    link: z.number(),
    alive: z.boolean(),
    rttMs: z.number(),
    sent: z.number(),
    retransmitted: z.number(),
    bitrateKbps: z.number(),
    via: z.string().optional(),
  }),
  /** `gstreamer` takes keyframe requests, bitrate and demand; `ffmpeg` sends what it was started with. */
  z.object({ type: z.literal('encoder'), encoder: z.enum(['gstreamer', 'ffmpeg']) }),
  /** What anybody watches, as the hub says; everything while the hub says nothing. */
  z.object({ type: z.literal('demand'), video: z.array(z.boolean()), audio: z.boolean() }),
  /** Each version of each contract by which it sends. */
  z.object({ type: z.literal('contract'), contract_id: z.string(), version: z.number() }),
  z.object({ type: z.literal('contract-ended'), reason: z.enum(['expired', 'revoked', 'lost']) }),
  /** The way of each link, by its index among the contract's endpoints, whenever one changes. */
  z.object({ type: z.literal('ways'), ways: z.array(z.string()) }),
  z.object({ type: z.literal('refused'), code: z.string(), message: z.string() }),
])
export type FieldSenderReport = z.infer<typeof fieldSenderReport>
