import type { EncoderConfig } from './encoder-protocol.ts'
import { hasElement } from './gstreamer.ts'
import { encoderWords, type VideoEncoder } from './video-encoders.ts'

/** Names of the pipeline's elements. */
export const PICTURE = 'picture'
export const videoOut = (rendition: number): string => `video-out-${rendition}`
export const videoValve = (rendition: number): string => `video-valve-${rendition}`
export const videoEncoder = (rendition: number): string => `video-encoder-${rendition}`

/** A live picture that can't be encoded in time is dropped. Only the newest few are kept. */
const liveQueue = (pictures: number): string =>
  `queue leaky=downstream max-size-buffers=${pictures} max-size-bytes=0 max-size-time=0`
/** Pictures that are kept: of a device, which delivers one after the other, and of a network, which delivers bursts. */
const KEPT = { raw: 2, 'image/jpeg': 2, 'video/x-h264': 8 } as const

/** Decoders in the order of preference: hardware first. */
const DECODERS = {
  'video/x-h264': ['mppvideodec', 'vah264dec', 'v4l2h264dec', 'avdec_h264', 'openh264dec'],
  'image/jpeg': ['mppjpegdec', 'v4l2jpegdec', 'jpegdec'],
} as const

/** Slices are decoded side by side: whole pictures side by side would each be late by the others. */
const DECODER_PROPERTIES: Readonly<Record<string, string>> = {
  avdec_h264: 'thread-type=slice output-corrupt=false',
}

/** What the encoder gets. */
export interface PictureFormat {
  /** GStreamer's caps of the pictures. */
  readonly caps: string
  readonly kind: 'raw' | 'video/x-h264' | 'image/jpeg'
  /** Pictures a second by the source's own word; null where it gives none. */
  readonly fps: number | null
}

/** Reads GStreamer's caps. Undefined for what no encoder here takes. */
export function pictureFormat(caps: string): PictureFormat | undefined {
  const name = caps.split(/[,(]/)[0]!
  const kind = name === 'video/x-raw' ? 'raw' : name
  if (kind !== 'raw' && kind !== 'video/x-h264' && kind !== 'image/jpeg') return undefined
  const [, over, under] = /framerate=\(fraction\)(\d+)\/(\d+)/.exec(caps) ?? []
  const fps = Number(over) / Number(under)
  return { caps, kind, fps: Number.isFinite(fps) && fps > 0 ? fps : null }
}

/** The decoder for such pictures on this machine; null where they need none, undefined where there is none. */
function decoderOf(kind: PictureFormat['kind']): string | null | undefined {
  return kind === 'raw' ? null : DECODERS[kind].find((name) => hasElement(name))
}

/**
 * From pictures to access units of each rendition, in the words of `gst-launch`; null where the pictures can't be decoded
 * here.
 */
export function pictureWords(
  config: Pick<EncoderConfig, 'fps' | 'renditions' | 'gop_frames' | 'profile'>,
  format: PictureFormat,
  encoder: VideoEncoder,
  kbps: readonly number[],
): string | null {
  const decoder = decoderOf(format.kind)
  if (decoder === undefined) return null
  const { fps, renditions } = config
  const full = renditions.at(-1)!
  const queue = liveQueue(KEPT[format.kind])
  // An appsrc that leaks would tear a hole into H.264. Raw pictures and JPEG stand alone.
  const leaks =
    format.kind === 'video/x-h264' ? 'max-bytes=20000000' : 'max-buffers=2 max-bytes=0 leaky-type=downstream'
  const decoded = decoder === null ? '' : ` ! ${decoder} ${DECODER_PROPERTIES[decoder] ?? ''}`
  // Other pictures are left out before they come here. A source without a rate of its own has that which is asked for.
  const isFast = format.kind === 'video/x-h264' && (format.fps ?? fps) > fps + 0.01
  const thinned = isFast
    ? `videorate drop-only=true skip-to-first=true ! video/x-raw,framerate=${fps}/1 ! `
    : ''
  const size = (width: number, height: number): string =>
    `video/x-raw,format=I420,width=${width},height=${height},pixel-aspect-ratio=1/1`
  const source = `appsrc name=${PICTURE} is-live=true format=time block=false ${leaks}${decoded} ! ${queue} ! ${thinned}videoconvert ! videoscale ! ${size(full.width, full.height)} ! tee name=pictures`
  const video = renditions.map(({ width, height }, rendition) => {
    const scaled = rendition === renditions.length - 1 ? '' : `videoscale ! ${size(width, height)} ! `
    const words = encoderWords(encoder, videoEncoder(rendition), {
      kbps: kbps[rendition]!,
      gopFrames: config.gop_frames,
    })
    const coded = `video/x-h264,stream-format=byte-stream,alignment=au,profile=${profileOf(config.profile)}`
    return `pictures. ! ${queue} ! valve name=${videoValve(rendition)} ! ${scaled}${words} ! ${coded} ! ${sink(videoOut(rendition))}`
  })
  return [source, ...video].join('\n')
}

/** Caps for the encoder, with the rate at which pictures reach it: encoders plan their bits by it. */
export function capsOf({ caps, fps, kind }: PictureFormat, askedFps: number): string {
  if (fps !== null && (fps <= askedFps || kind === 'video/x-h264')) return caps
  const rate = `framerate=(fraction)${askedFps}/1`
  return caps.includes('framerate=')
    ? caps.replace(/framerate=\(fraction\)\d+\/\d+/, rate)
    : `${caps}, ${rate}`
}

/** High without B-frames decodes in browsers; baseline decodes everywhere. */
function profileOf(profile: EncoderConfig['profile']): string {
  return profile === 'high' ? 'high' : 'constrained-baseline'
}

/** Not `async`: a sink that gets nothing, because nobody wants its rendition, would hold the others back. */
function sink(name: string): string {
  return `appsink name=${name} sync=false async=false max-buffers=30`
}
