import type { EncoderConfig } from './encoder-protocol.ts'
import { encoderWords, type VideoEncoder } from './video-encoders.ts'

/** The other elements of the pipeline. */
export const OTHER_ELEMENTS = [
  'appsrc',
  'appsink',
  'opusenc',
  'videoscale',
  'videoconvert',
  'audioresample',
  'videorate',
  'volume',
] as const

/** Names of the pipeline's elements. */
export const PICTURE = 'picture'
export const SOUND_OUT = 'sound-out'
export const SOUND_VALVE = 'sound-valve'
/** Two elements, each with half of the gain in dB: one goes to 20 dB. */
export const GAINS = ['gain-1', 'gain-2'] as const
export const videoOut = (rendition: number): string => `video-out-${rendition}`
export const videoValve = (rendition: number): string => `video-valve-${rendition}`
export const videoEncoder = (rendition: number): string => `video-encoder-${rendition}`

/** A live picture that can't be encoded in time is dropped. Only the newest two are kept. */
const LIVE_QUEUE = 'queue leaky=downstream max-size-buffers=2 max-size-bytes=0 max-size-time=0'

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
    const encoded = `${encoderWords(encoder, videoEncoder(rendition), { kbps: kbps[rendition]!, gopFrames: config.gop_frames })} ! video/x-h264,stream-format=byte-stream,alignment=au,profile=${profileOf(config)}`
    return `pictures. ! ${LIVE_QUEUE} ! valve name=${videoValve(rendition)} ! ${scaled}${encoded} ! ${sink(videoOut(rendition))}`
  })
  const audio =
    sound === null
      ? []
      : [
          `${sound.source} ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! ${gain(sound.gain_db)} ! valve name=${SOUND_VALVE} ! opusenc bitrate=${sound.kbps * 1000} frame-size=20 audio-type=restricted-lowdelay ! ${sink(SOUND_OUT)}`,
        ]
  return [`${source} ! tee name=pictures`, ...video, ...audio].join('\n')
}

/** The factor of each of the elements that make a gain. */
export function gainFactor(db: number): string {
  return (10 ** (db / 20 / GAINS.length)).toFixed(6)
}

function gain(db: number): string {
  return GAINS.map((name) => `volume name=${name} volume=${gainFactor(db)}`).join(' ! ')
}

/** High without B-frames decodes in browsers; baseline decodes everywhere. */
function profileOf({ profile }: EncoderConfig): string {
  return profile === 'high' ? 'high' : 'constrained-baseline'
}

/** Not `async`: a sink that gets nothing, because nobody wants its rendition, would hold the others back. */
function sink(name: string): string {
  return `appsink name=${name} sync=false async=false max-buffers=30`
}
