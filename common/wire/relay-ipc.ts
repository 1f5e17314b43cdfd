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
   * Null while the process that reported this runs. After its death: the time of its last report about any track, by
   * `machineMs`. Nobody knows what the process sent after that report.
   */
  reported_ms: z.number().nullable(),
})
export type RelayPosition = z.infer<typeof relayPositionSchema>

export const relayTrackSchema = z.strictObject({
  /** `ssrc` is the lane's own SSRC, and `from` the SSRC of the input that feeds the lane from now on. */
  ssrc,
  from: ssrc,
  clock_rate: z.union([z.literal(48_000), z.literal(90_000)]),
  /** Whether the payload has picture ids, and in which form. */
  picture_ids: z.enum(['vp8', 'vp9']).nullable(),
  /** Whether the track is one of several layers: after a silence, viewers go on with a keyframe and numbers of their own. */
  layered: z.boolean(),
  /** The last reported position. */
  position: relayPositionSchema,
  clock: laneClockSchema,
})
export type RelayTrack = z.infer<typeof relayTrackSchema>

export const hubToRelaySchema = z.discriminatedUnion('type', [
  /** RTP leaves from this loopback port. A successor uses the same port, by which the worker knows it. */
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
    /** Time of the report, by `machineMs`. */
    at_ms: z.number(),
    positions: z.array(relayPositionSchema),
  }),
  z.strictObject({ type: z.literal('failed'), message: z.string() }),
])
export type RelayToHub = z.infer<typeof relayToHubSchema>
