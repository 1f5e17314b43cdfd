import { z } from 'zod'
import { attachSchema, cursorsSchema, laneClockSchema } from './lane-ipc.ts'
import { streamIdSchema } from './stream.ts'
import { inputStateSchema, MAX_INPUTS, switchCauseSchema, switchRulesSchema } from './switched-inputs.ts'

/** What the hub and the switch process of one lane say to each other over the channel that a supervisor opens. */

const port = z.int().min(1).max(65_535)
const ssrc = z.int().min(1).max(0xffff_ffff)
const uint32 = z.int().min(0).max(0xffff_ffff)

/** Most bytes of one access unit of a slate: a message of the channel holds it in base64. */
export const MAX_SLATE_UNIT_BYTES = 600_000

/** An SSRC that an input's pipe sends. */
const inputTrackSchema = z.strictObject({
  kind: z.enum(['video', 'audio']),
  ssrc,
  /** Spatial layer, 0 is the smallest; 0 for sound. */
  rendition: z.int().min(0).max(3),
  /** Id of `abs-capture-time` in the packets' header extensions (RFC 8285); 0 where there is none. */
  capture_time_id: z.int().min(0).max(255),
})
export type InputTrackSpec = z.infer<typeof inputTrackSchema>

export const hubToSwitchSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('start'),
    stream_id: streamIdSchema,
    /** The lane's RTP leaves from this loopback port, by which the worker knows this process and its successors. */
    rtp_port: port,
    rules: switchRulesSchema,
    /** What copies of the same pictures lack is waited for by at most this long, ms. */
    merge_within_ms: z.int().min(0).max(5000),
    /** What was on air under the predecessor, and what was taken by hand; null at first. */
    on_air: z.string().nullable(),
    taken: z.string().nullable(),
    /** The predecessor showed the slate. */
    slate: z.boolean(),
  }),
  attachSchema,
  z.strictObject({ type: z.literal('rules'), rules: switchRulesSchema }),
  /** All inputs in their order. RTP of each arrives at a loopback port of its own. */
  z.strictObject({
    type: z.literal('inputs'),
    inputs: z.array(z.strictObject({ id: streamIdSchema, rtp_port: port })).max(MAX_INPUTS),
  }),
  /** What the input's pipe sends from now on, and where the pipe hears RTCP; no tracks while the input is away. */
  z.strictObject({
    type: z.literal('feed'),
    id: streamIdSchema,
    target: z.strictObject({ ip: z.string(), port }).nullable(),
    tracks: z.array(inputTrackSchema).max(8),
    /** The clock of the input's own lane: ties its pictures to its sound. */
    clock: laneClockSchema.nullable(),
    /** Why the input can't be shown; null where it can. */
    refused: z.string().nullable(),
  }),
  /** The picture with this RTP timestamp of an input was captured then. */
  z.strictObject({
    type: z.literal('captured'),
    id: streamIdSchema,
    rendition: z.int().min(0).max(3).nullable(),
    rtp_timestamp: uint32,
    capture_unix_ms: z.number(),
    source: z.enum(['sender', 'arrival']),
  }),
  z.strictObject({
    type: z.literal('take'),
    request: z.int(),
    input: streamIdSchema,
    /** Input of the sound from now on; null: the sound is that of the picture; left out: by the rules. */
    audio: streamIdSchema.nullable().optional(),
    /** Not before, by `machineMs`. */
    at_ms: z.number().nullable(),
  }),
  z.strictObject({ type: z.literal('preview'), input: streamIdSchema.nullable() }),
  /** One access unit (Annex B, IDR) of the slate for a rendition. The first of a slate (`index` 0) replaces what was before. */
  z.strictObject({
    type: z.literal('slate'),
    rendition: z.int().min(0).max(3),
    index: z.int().min(0).max(3),
    unit: z.base64().max(Math.ceil(MAX_SLATE_UNIT_BYTES / 3) * 4),
  }),
])
export type HubToSwitch = z.infer<typeof hubToSwitchSchema>

/** What is on air: an input, or `slate`, or nothing yet. */
const onAirSchema = z.strictObject({
  type: z.literal('on_air'),
  input: z.string().nullable(),
  /** The input of the sound; null where the lane is silent. */
  audio: z.string().nullable(),
  cause: switchCauseSchema,
  /** The same in words. */
  reason: z.string(),
  /** Taken by hand, and that still counts. */
  taken: z.string().nullable(),
  /** When the first packet left, unix ms. */
  at_unix_ms: z.number(),
  /** When the first picture was captured, unix ms; null where nobody knows. */
  capture_unix_ms: z.number().nullable(),
})
export type OnAir = Omit<z.infer<typeof onAirSchema>, 'type'>

export const switchToHubSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  /** Ten times a second: also a sign of life. */
  cursorsSchema.strict(),
  onAirSchema,
  z.strictObject({
    type: z.literal('took'),
    request: z.int(),
    at_unix_ms: z.number(),
    capture_unix_ms: z.number().nullable(),
  }),
  z.strictObject({
    type: z.literal('take_failed'),
    request: z.int(),
    code: z.enum(['input_not_found', 'input_not_live', 'keyframe_late', 'take_superseded']),
    message: z.string(),
  }),
  z.strictObject({
    type: z.literal('inputs'),
    inputs: z.array(
      z.strictObject({ id: z.string(), state: inputStateSchema, reason: z.string().optional() }),
    ),
  }),
  /** The input's port can't be opened: another program has it. */
  z.strictObject({ type: z.literal('input_port_taken'), id: z.string(), message: z.string() }),
  /** Copies of the same pictures that make up what is on air; empty where there is one copy. */
  z.strictObject({ type: z.literal('merged'), inputs: z.array(z.string()) }),
  /** Inputs claim the same capture times and have different pictures. */
  z.strictObject({ type: z.literal('merge_refused'), inputs: z.array(z.string()) }),
  z.strictObject({
    type: z.literal('captured'),
    rendition: z.int().min(0).max(3).nullable(),
    rtp_timestamp: uint32,
    capture_unix_ms: z.number(),
    source: z.enum(['sender', 'arrival']),
  }),
  z.strictObject({ type: z.literal('failed'), message: z.string() }),
])
export type SwitchToHub = z.infer<typeof switchToHubSchema>
