/** H.264 encoders in the order of preference: hardware first, then x264. */
export const VIDEO_ENCODERS = ['mpph264enc', 'vah264enc', 'vaapih264enc', 'v4l2h264enc', 'x264enc'] as const
export type VideoEncoder = (typeof VIDEO_ENCODERS)[number]

/** What an encoder is to make. */
export interface EncoderSettings {
  readonly kbps: number
  /** Frames from one IDR to the next when nobody asks for one. */
  readonly gopFrames: number
}

/**
 * Size of the largest picture, as the time that its bitrate takes to send it, ms. An IDR of this size is that late
 * behind a link of just that bitrate, and comes in one burst to the queue in front of every viewer's link.
 */
const VBV_MS = 125

interface Words {
  /** The element's properties in the words of `gst-launch`: constant bitrate, no B-frames, headers with each IDR. */
  readonly properties: (settings: EncoderSettings) => string
  /** The property that sets the bitrate while it runs, and the property's text. */
  readonly bitrate: { readonly property: string; readonly text: (kbps: number) => string }
}

const v4l2Controls = (kbps: number): string =>
  `controls,video_bitrate_mode=1,video_bitrate=${kbps * 1000},repeat_sequence_header=1,video_b_frames=0`

const WORDS: Readonly<Record<VideoEncoder, Words>> = {
  mpph264enc: {
    properties: ({ kbps, gopFrames }) =>
      `rc-mode=cbr bps=${kbps * 1000} gop=${gopFrames} header-mode=each-idr max-reenc=0`,
    bitrate: { property: 'bps', text: (kbps) => String(kbps * 1000) },
  },
  vah264enc: {
    properties: ({ kbps, gopFrames }) =>
      `rate-control=cbr bitrate=${kbps} key-int-max=${Math.min(gopFrames, 1024)} b-frames=0 ref-frames=1 aud=false`,
    bitrate: { property: 'bitrate', text: String },
  },
  vaapih264enc: {
    properties: ({ kbps, gopFrames }) =>
      `rate-control=cbr bitrate=${kbps} keyframe-period=${gopFrames} max-bframes=0 refs=1`,
    bitrate: { property: 'bitrate', text: String },
  },
  v4l2h264enc: {
    properties: ({ kbps, gopFrames }) =>
      `extra-controls="${v4l2Controls(kbps)},h264_i_frame_period=${gopFrames}"`,
    bitrate: { property: 'extra-controls', text: v4l2Controls },
  },
  x264enc: {
    properties: ({ kbps, gopFrames }) =>
      `tune=zerolatency speed-preset=ultrafast bframes=0 threads=1 bitrate=${kbps} vbv-buf-capacity=${VBV_MS} key-int-max=${gopFrames} option-string=scenecut=0`,
    bitrate: { property: 'bitrate', text: String },
  },
}

/** An encoder in the words of `gst-launch`, to stand between raw pictures and a filter for `video/x-h264`. */
export function encoderWords(encoder: VideoEncoder, name: string, settings: EncoderSettings): string {
  return `${encoder} name=${name} ${WORDS[encoder].properties(settings)}`
}

/** The property that sets an encoder's bitrate while it runs. */
export const bitrateProperty = (encoder: VideoEncoder): Words['bitrate'] => WORDS[encoder].bitrate
