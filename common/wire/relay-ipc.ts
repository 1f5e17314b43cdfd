import { z } from 'zod'
import { laneClockSchema } from './lane-ipc.ts'

/** What the hub and a relay process say to each other over the channel that a supervisor opens. */

const port = z.int().min(1).max(65_535)
const ssrc = z.int().min(1).max(0xffff_ffff)
const uint8 = z.int().min(0).max(0xff)
const uint16 = z.int().min(0).max(0xffff)
const uint32 = z.int().min(0).max(0xffff_ffff)

/** Counters of a video payload that receivers expect to go on: VP8's and VP9's PictureID and TL0PICIDX. */
const pictureIds = z.strictObject({ picture: uint16, base_layer: uint8 })

/**
 * The position of one SSRC of a lane. `shift` turns the numbers of the input `from` into the lane's, modulo their size;
 * `last` is what left last. Before the first input, `from` is the lane's own SSRC.
 */
export const relayPositionSchema = z.strictObject({
  ssrc,
  from: ssrc,
  shift: pictureIds.extend({ sequence: uint16, timestamp: uint32 }),
  last: pictureIds.extend({ sequence: uint16, timestamp: uint32, marker: z.boolean() }),
  /**
   * Of `machineMs`: the process that reported this has died, and its last report, of whatever track, was then. What left
   * afterwards is unknown. Null while the process runs.
   */
  reported_ms: z.number().nullable(),
})
export type RelayPosition = z.infer<typeof relayPositionSchema>

export const relayTrackSchema = z.strictObject({
  /** The lane's, and the input's that feeds it from now on. */
  ssrc,
  from: ssrc,
  clock_rate: z.union([z.literal(48_000), z.literal(90_000)]),
  /** Whether the payload has picture ids, and in which form. */
  picture_ids: z.enum(['vp8', 'vp9']).nullable(),
  /** Whether the track is one of several layers: after a silence, viewers go on with a keyframe and numbers of their own. */
  layered: z.boolean(),
  /** The last that was heard of it. */
  position: relayPositionSchema,
  clock: laneClockSchema,
})
export type RelayTrack = z.infer<typeof relayTrackSchema>

export const hubToRelaySchema = z.discriminatedUnion('type', [
  /** RTP leaves from this port of loopback; it outlives the process, so that the worker knows its successor. */
  z.strictObject({ type: z.literal('start'), rtp_port: port }),
  /** The transport that inputs come from and lanes go to. */
  z.strictObject({ type: z.literal('connect'), ip: z.string(), port }),
  z.strictObject({ type: z.literal('feed'), tracks: z.array(relayTrackSchema) }),
  z.strictObject({ type: z.literal('drop'), ssrcs: z.array(ssrc) }),
])
export type HubToRelay = z.infer<typeof hubToRelaySchema>

export const relayToHubSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  /** Twice a second: a sign of life, with the tracks that sent something since. */
  z.strictObject({
    type: z.literal('positions'),
    /** Of `machineMs`. */
    at_ms: z.number(),
    positions: z.array(relayPositionSchema),
  }),
  z.strictObject({ type: z.literal('failed'), message: z.string() }),
])
export type RelayToHub = z.infer<typeof relayToHubSchema>
