import { z } from 'zod'
import { VIDEO_ENCODERS } from './video-encoders.ts'

/**
 * What a sender and its encoder process say to each other over the channel that a supervisor opens. The encoder's
 * MPEG-TS comes on its standard output.
 */

const size = {
  width: z.int().min(64).max(4096).multipleOf(2),
  height: z.int().min(64).max(4096).multipleOf(2),
}

const gainDb = z.number().min(-60).max(30)
const keyframeMs = z.number().min(100).max(60_000)

/** What is wanted: video by rendition, ascending. Renditions beyond the list are not wanted. */
const demand = { video: z.array(z.boolean()).max(8), audio: z.boolean() }

export const encoderConfigSchema = z.strictObject({
  type: z.literal('start'),
  /**
   * The source of pictures: a test card that the process draws itself, or a GStreamer pipeline description that ends in
   * raw video, such as `v4l2src device=/dev/video0`.
   */
  picture: z.union([
    z.strictObject({ test_card: z.string().max(40) }),
    z.strictObject({ source: z.string().min(1).max(2000) }),
  ]),
  /** The source of raw sound likewise, such as `alsasrc`; null without sound. */
  sound: z
    .strictObject({
      source: z.string().min(1).max(2000),
      kbps: z.int().min(6).max(510),
      gain_db: gainDb,
    })
    .nullable(),
  fps: z.int().min(1).max(60),
  /** Ascending by size. Pictures are captured in the largest size. */
  renditions: z.array(z.strictObject(size)).min(1).max(4),
  /** GStreamer's element that encodes; the best that is installed where it is left out. */
  encoder: z.enum(VIDEO_ENCODERS).optional(),
  /** Frames from one IDR to the next when nobody asks for one. */
  gop_frames: z.int().min(1).max(36_000),
  profile: z.enum(['baseline', 'high']),
  /** kb/s of media, all together. */
  target_kbps: z.int().min(50).max(200_000),
  /** The most time from one IDR to the next, ms; `gop_frames` alone says it where it is left out. */
  keyframe_ms: keyframeMs.optional(),
  /** Everything where it is left out. */
  demand: z.strictObject(demand).optional(),
})
export type EncoderConfig = z.output<typeof encoderConfigSchema>

export const encoderCommandSchema = z.discriminatedUnion('type', [
  encoderConfigSchema,
  z.strictObject({ type: z.literal('bitrate'), target_kbps: z.int().min(1).max(200_000) }),
  /** The next picture of one rendition, or of all, is to be an IDR. */
  z.strictObject({ type: z.literal('keyframe'), rendition: z.int().min(0).max(3).nullable() }),
  z.strictObject({ type: z.literal('demand'), ...demand }),
  z.strictObject({ type: z.literal('keyframe-interval'), ms: keyframeMs }),
  z.strictObject({ type: z.literal('gain'), db: gainDb }),
])
export type EncoderCommand = z.infer<typeof encoderCommandSchema>

export const encoderReportSchema = z.discriminatedUnion('type', [
  /** The process encodes, with this GStreamer element. */
  z.object({ type: z.literal('running'), element: z.string() }),
  /** GStreamer, or a needed element, is missing: trying again does not help. */
  z.object({ type: z.literal('unavailable'), reason: z.string() }),
  z.object({ type: z.literal('failed'), reason: z.string() }),
])
export type EncoderReport = z.infer<typeof encoderReportSchema>
