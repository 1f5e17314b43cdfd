import { CodedError } from '../../common/errors.ts'
import { splitBitrate } from './bitrate-split.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import { GstPipeline } from './gst-pipeline.ts'
import { bufferAt, type GstPointer, hasElement, type PipelineEnd } from './gstreamer.ts'
import { KeyframeClock } from './keyframe-clock.ts'
import {
  capsOf,
  PICTURE,
  type PictureFormat,
  pictureWords,
  videoEncoder,
  videoOut,
  videoValve,
} from './picture-words.ts'
import { bitrateProperty, VIDEO_ENCODERS, type VideoEncoder } from './video-encoders.ts'

/** The elements that every sender needs. */
const NEEDED = [
  'appsrc',
  'appsink',
  'opusenc',
  'videoscale',
  'videoconvert',
  'audioresample',
  'videorate',
  'volume',
]

/**
 * Finds an encoder on this machine.
 * @param asked the only one that will do, where it is given
 * @throws CodedError `gstreamer_missing` with what is missing
 */
export function findVideoEncoder(asked?: VideoEncoder): VideoEncoder {
  const missing = NEEDED.filter((name) => !hasElement(name))
  const found = (asked ? [asked] : VIDEO_ENCODERS).find((name) => hasElement(name))
  if (found && missing.length === 0) return found
  const what = found ? missing.join(', ') : (asked ?? VIDEO_ENCODERS.join(' or '))
  throw new CodedError('gstreamer_missing', `GStreamer has no ${what} here`)
}

/** What is asked of the renditions now. A new encoder begins with it. */
export interface EncoderOrders {
  targetKbps: number
  readonly wanted: boolean[]
  keyframeMs: number | null
}

/** One H.264 access unit, Annex B, with the capture time of its picture, Unix ns. */
export type UnitTaker = (rendition: number, data: Buffer, unixNs: bigint, keyframe: boolean) => void

/** Encodes pictures of one format in each of the renditions. */
export class PictureEncoder implements AsyncDisposable {
  readonly format: PictureFormat
  readonly #pipeline: GstPipeline
  readonly #config: EncoderConfig
  readonly #encoder: VideoEncoder
  readonly #keyframes: KeyframeClock
  readonly #open: boolean[]

  /** Pictures may be pushed at once. @throws CodedError `gstreamer_failed` where these pictures can't be encoded here */
  constructor(
    config: EncoderConfig,
    format: PictureFormat,
    encoder: VideoEncoder,
    orders: EncoderOrders,
    take: UnitTaker,
  ) {
    this.format = format
    this.#config = config
    this.#encoder = encoder
    const words = pictureWords(config, format, encoder, this.#split(orders.targetKbps))
    if (words === null)
      throw new CodedError('gstreamer_failed', `there is no decoder for ${format.kind} on this device`)
    this.#pipeline = new GstPipeline(words)
    this.#pipeline.set(PICTURE, 'caps', capsOf(format, config.fps))
    this.#keyframes = new KeyframeClock(config.fps)
    this.#keyframes.setInterval(orders.keyframeMs)
    this.#open = config.renditions.map(() => true)
    this.setWanted(orders.wanted)
    config.renditions.forEach((_, rendition) => {
      this.#pipeline.pull(videoOut(rendition), (pulled) => {
        const { unixNs, keyframe } = pulled
        if (this.#keyframes.picture(rendition, keyframe, unixNs)) this.requestKeyframe(rendition)
        take(rendition, pulled.read(), unixNs, keyframe)
      })
    })
  }

  /** How it ended by itself. */
  get ended(): Promise<PipelineEnd> {
    return this.#pipeline.ended
  }

  /** @throws CodedError `gstreamer_failed` */
  play(): Promise<void> {
    return this.#pipeline.play()
  }

  /** Takes a picture of the source. One too many is dropped, unless others need it to be decoded. */
  push(buffer: GstPointer, unixNs: bigint): void {
    this.#pipeline.pushBuffer(PICTURE, bufferAt(buffer, unixNs))
  }

  /** Takes a copy of a picture in the format's caps. */
  pushData(picture: Buffer, unixNs: bigint): void {
    this.#pipeline.pushData(PICTURE, picture, unixNs)
  }

  /** The bitrate from now on, kb/s of all renditions and sound together. */
  setTarget(kbps: number): void {
    const { property, text } = bitrateProperty(this.#encoder)
    this.#split(kbps).forEach((share, rendition) => {
      this.#pipeline.set(videoEncoder(rendition), property, text(share))
    })
  }

  /** Makes the next picture of a rendition an IDR. */
  requestKeyframe(rendition: number): void {
    if (this.#open[rendition]) this.#pipeline.requestKeyframe(videoOut(rendition))
  }

  setKeyframeInterval(ms: number): void {
    this.#keyframes.setInterval(ms)
  }

  /** Stops what is not wanted. What is wanted again begins with an IDR. */
  setWanted(wanted: readonly boolean[]): void {
    this.#open.forEach((before, rendition) => {
      const now = wanted[rendition] ?? false
      if (now === before) return
      this.#open[rendition] = now
      this.#pipeline.set(videoValve(rendition), 'drop', String(!now))
      if (now) this.requestKeyframe(rendition)
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]()
  }

  #split(kbps: number): readonly number[] {
    const pixels = this.#config.renditions.map(({ width, height }) => width * height)
    return splitBitrate(kbps, this.#config.sound?.kbps ?? 0, pixels)
  }
}
