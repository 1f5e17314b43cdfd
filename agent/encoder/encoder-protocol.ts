import { z } from 'zod'

/**
 * What a sender and its encoder process say to each other over the IPC channel of `child_process.fork`. The encoder's
 * MPEG-TS comes on its standard output.
 */

const size = {
  width: z.int().min(64).max(4096).multipleOf(2),
  height: z.int().min(64).max(4096).multipleOf(2),
}

/** What is wanted: video by rendition, ascending; those beyond the list are not. */
const demand = { video: z.array(z.boolean()).max(8), audio: z.boolean() }

export const encoderConfigSchema = z.strictObject({
  type: z.literal('start'),
  /**
   * Where pictures come from: a test card drawn by the process itself, or the words of a GStreamer pipeline that ends
   * in raw video, as `v4l2src device=/dev/video0`.
   */
  picture: z.union([
    z.strictObject({ test_card: z.string().max(40) }),
    z.strictObject({ source: z.string().min(1).max(2000) }),
  ]),
  /** Likewise of raw sound, as `alsasrc`; null where there is none. */
  sound: z.strictObject({ source: z.string().min(1).max(2000), kbps: z.int().min(6).max(510) }).nullable(),
  fps: z.int().min(1).max(60),
  /** Ascending by size; the largest is the size that pictures are captured in. */
  renditions: z.array(z.strictObject(size)).min(1).max(4),
  /** Frames from one IDR to the next when nobody asks for one. */
  gop_frames: z.int().min(1).max(36_000),
  profile: z.enum(['baseline', 'high']),
  /** kb/s of media, all together. */
  target_kbps: z.int().min(50).max(200_000),
  /** Everything where it is left out. */
  demand: z.strictObject(demand).optional(),
})
export type EncoderConfig = z.output<typeof encoderConfigSchema>

export const encoderCommandSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bitrate'), target_kbps: z.int().min(1).max(200_000) }),
  /** The next picture of one rendition, or of all, is to be an IDR. */
  z.strictObject({ type: z.literal('keyframe'), rendition: z.int().min(0).max(3).nullable() }),
  z.strictObject({ type: z.literal('demand'), ...demand }),
])
export type EncoderCommand = z.infer<typeof encoderCommandSchema>

export const encoderReportSchema = z.discriminatedUnion('type', [
  /** It encodes, with this GStreamer element. */
  z.object({ type: z.literal('running'), element: z.string() }),
  /** GStreamer, or an element that is needed, is not there: trying again is of no use. */
  z.object({ type: z.literal('unavailable'), reason: z.string() }),
  z.object({ type: z.literal('failed'), reason: z.string() }),
])
export type EncoderReport = z.infer<typeof encoderReportSchema>
