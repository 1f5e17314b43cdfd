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
const text = z.string().min(1).max(2000)
const gainDb = z.number().min(-60).max(30)
const keyframeMs = z.number().min(100).max(60_000)

/** What is wanted: video by rendition, ascending. Renditions beyond the list are not wanted. */
const demand = { video: z.array(z.boolean()).max(8), audio: z.boolean() }

const pictureSourceSchema = z.discriminatedUnion('kind', [
  /** Drawn by the process itself. */
  z.strictObject({ kind: z.literal('test-card'), name: z.string().max(40) }),
  /** A capture device. What is left out, the device chooses. */
  z.strictObject({
    kind: z.literal('v4l2'),
    device: text,
    format: z.enum(['raw', 'mjpeg', 'h264']).optional(),
    size: z.strictObject(size).optional(),
    fps: z.number().positive().max(240).optional(),
  }),
  z.strictObject({
    kind: z.literal('rtsp'),
    url: text,
    username: z.string().optional(),
    password: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('srt'), url: text, passphrase: z.string().optional() }),
  z.strictObject({ kind: z.literal('file'), path: text, loop: z.boolean() }),
  /** A live source in the words of `gst-launch`, which ends in raw video. */
  z.strictObject({ kind: z.literal('words'), words: text }),
])
export type PictureSource = z.output<typeof pictureSourceSchema>

const soundSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tone') }),
  /** Comes with the pictures. */
  z.strictObject({ kind: z.literal('embedded') }),
  z.strictObject({ kind: z.literal('alsa'), device: text }),
  /** A live source in the words of `gst-launch`, which ends in raw sound. */
  z.strictObject({ kind: z.literal('words'), words: text }),
])
export type SoundSource = z.output<typeof soundSourceSchema>

export const encoderConfigSchema = z.strictObject({
  type: z.literal('start'),
  picture: pictureSourceSchema,
  /** null without sound. */
  sound: z
    .strictObject({ source: soundSourceSchema, kbps: z.int().min(6).max(510), gain_db: gainDb })
    .nullable(),
  /** Pictures a second at most. */
  fps: z.int().min(1).max(60),
  /** Ascending by size. Pictures are captured in the largest size. */
  renditions: z.array(z.strictObject(size)).min(1).max(4),
  /** GStreamer's element that encodes; the best that is installed where it is left out. */
  encoder: z.enum(VIDEO_ENCODERS).optional(),
  /**
   * What becomes of H.264 that browsers can show: `auto` sends it as the largest rendition while it fits into the bitrate,
   * `always` sends that or nothing, `never` encodes anew.
   */
  pass_through: z.enum(['auto', 'always', 'never']),
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

const inputState = {
  input: z.enum(['starting', 'live', 'no_input']),
  reason: z.string().nullable(),
  element: z.string().nullable(),
  fps: z.number().nullable(),
}

export const encoderReportSchema = z.discriminatedUnion('type', [
  /** The process has what it needs, and takes commands. */
  z.object({ type: z.literal('ready') }),
  /** The state of the input changed, or the pictures a second that it delivers. */
  z.object({ type: z.literal('state'), ...inputState }),
  /** The sound's source, or its encoder, failed, and is tried again; null: it is back. */
  z.object({ type: z.literal('sound'), reason: z.string().nullable() }),
  /** GStreamer, or a needed element, is missing: trying again does not help. */
  z.object({ type: z.literal('unavailable'), reason: z.string() }),
  z.object({ type: z.literal('failed'), reason: z.string() }),
])
export type EncoderReport = z.infer<typeof encoderReportSchema>
