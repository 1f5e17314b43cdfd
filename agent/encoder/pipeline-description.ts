import type { EncoderConfig } from './encoder-protocol.ts'

/** H.264 encoders in the order of preference: Rockchip's hardware, then x264. */
export const VIDEO_ENCODERS = ['mpph264enc', 'x264enc'] as const
export type VideoEncoder = (typeof VIDEO_ENCODERS)[number]

/** The other elements of the pipeline. */
export const OTHER_ELEMENTS = [
  'appsrc',
  'appsink',
  'opusenc',
  'videoscale',
  'videoconvert',
  'audioresample',
  'videorate',
] as const

/** Names of the pipeline's elements. */
export const PICTURE = 'picture'
export const SOUND_OUT = 'sound-out'
export const SOUND_VALVE = 'sound-valve'
export const videoOut = (rendition: number): string => `video-out-${rendition}`
export const videoValve = (rendition: number): string => `video-valve-${rendition}`
export const videoEncoder = (rendition: number): string => `video-encoder-${rendition}`

/** A live picture that can't be encoded in time is dropped. Only the newest two are kept. */
const LIVE_QUEUE = 'queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0'
/**
 * Size of the largest picture, as the time that its bitrate takes to send it, ms. An IDR of this size is that late
 * behind a link of just that bitrate, and comes in one burst to the queue in front of every viewer's link.
 */
const VBV_MS = 125

/** The pipeline in the words of `gst-launch`: raw pictures and sound in, access units out at its sinks. */
export function describePipeline(
  config: EncoderConfig,
  encoder: VideoEncoder,
  kbps: readonly number[],
): string {
  const { picture, sound, fps, renditions } = config
  const full = renditions.at(-1)!
  const raw = `video/x-raw,format=I420,width=${full.width},height=${full.height},framerate=${fps}/1`
  const bytes = full.width * full.height * 6
  const source =
    'source' in picture
      ? `${picture.source} ! ${LIVE_QUEUE} ! videoconvert ! videoscale ! videorate drop-only=true ! ${raw}`
      : `appsrc name=${PICTURE} is-live=true format=time block=false max-bytes=${bytes} leaky-type=downstream caps=${raw}`
  const video = renditions.map(({ width, height }, rendition) => {
    const scaled =
      rendition === renditions.length - 1 ? '' : `videoscale ! video/x-raw,width=${width},height=${height} ! `
    const encoded = `${encoderWords(config, encoder, rendition, kbps[rendition]!)} ! video/x-h264,stream-format=byte-stream,alignment=au,profile=${profileOf(config)}`
    return `pictures. ! ${LIVE_QUEUE} ! valve name=${videoValve(rendition)} ! ${scaled}${encoded} ! ${sink(videoOut(rendition))}`
  })
  const audio =
    sound === null
      ? []
      : [
          `${sound.source} ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! valve name=${SOUND_VALVE} ! opusenc bitrate=${sound.kbps * 1000} frame-size=20 audio-type=restricted-lowdelay ! ${sink(SOUND_OUT)}`,
        ]
  return [`${source} ! tee name=pictures`, ...video, ...audio].join('\n')
}

/** The property that sets an encoder's bitrate while it runs, and the property's unit in bit/s. */
export const BITRATE_PROPERTY: Readonly<
  Record<VideoEncoder, { readonly name: string; readonly unit: number }>
> = {
  x264enc: { name: 'bitrate', unit: 1000 },
  mpph264enc: { name: 'bps', unit: 1 },
}

function encoderWords(config: EncoderConfig, encoder: VideoEncoder, rendition: number, kbps: number): string {
  const name = `name=${videoEncoder(rendition)}`
  if (encoder === 'mpph264enc')
    return `mpph264enc ${name} rc-mode=cbr bps=${kbps * 1000} gop=${config.gop_frames} header-mode=each-idr max-reenc=0`
  const words = [
    `x264enc ${name} tune=zerolatency speed-preset=ultrafast bframes=0 threads=1`,
    `bitrate=${kbps} vbv-buf-capacity=${VBV_MS} key-int-max=${config.gop_frames} option-string=scenecut=0`,
  ]
  return words.join(' ')
}

/** High without B-frames decodes in browsers; baseline decodes everywhere. */
function profileOf({ profile }: EncoderConfig): string {
  return profile === 'high' ? 'high' : 'constrained-baseline'
}

/** Not `async`: a sink that gets nothing, because nobody wants its rendition, would hold the others back. */
function sink(name: string): string {
  return `appsink name=${name} sync=false async=false max-buffers=30`
}
