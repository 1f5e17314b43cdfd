import { CodedError } from '../../common/errors.ts'
import { splitBitrate } from './bitrate-split.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import {
  bufferPts,
  type GstPointer,
  hasElement,
  isKeyframe,
  loadGstreamer,
  MESSAGES_OF_THE_END,
  onThread,
  readEnd,
  readError,
  STATE_NULL,
  STATE_PLAYING,
  setBufferPts,
  TIME_NONE,
} from './gstreamer.ts'
import { KeyframeClock } from './keyframe-clock.ts'
import {
  describePipeline,
  GAINS,
  gainFactor,
  OTHER_ELEMENTS,
  PICTURE,
  SOUND_OUT,
  SOUND_VALVE,
  videoEncoder,
  videoOut,
  videoValve,
} from './pipeline-description.ts'
import { bitrateProperty, VIDEO_ENCODERS, type VideoEncoder } from './video-encoders.ts'

/** How long a thread waits before it checks whether the pipeline is over, ns: the process can't end before. */
const WAIT_NS = 250_000_000n

export interface EncoderPipelineSink {
  /** One H.264 access unit, Annex B, with the capture time of its picture, Unix ns. */
  video(rendition: number, data: Buffer, ptsNs: bigint): void
  /** One Opus packet. */
  audio(data: Buffer, ptsNs: bigint): void
}

/**
 * Finds an encoder on this machine.
 * @param asked the only one that will do, where it is given
 * @throws CodedError `gstreamer_missing` with what is missing
 */
export function findVideoEncoder(asked?: VideoEncoder): VideoEncoder {
  const missing = OTHER_ELEMENTS.filter((name) => !hasElement(name))
  const found = (asked ? [asked] : VIDEO_ENCODERS).find((name) => hasElement(name))
  if (found && missing.length === 0) return found
  const what = found ? missing.join(', ') : (asked ?? VIDEO_ENCODERS.join(' or '))
  throw new CodedError('gstreamer_missing', `GStreamer has no ${what} here`)
}

/**
 * A running GStreamer pipeline: raw pictures and sound in, access units of each rendition out. It runs on the wall
 * clock, so that a source's stamps are Unix time in nanoseconds.
 */
export class EncoderPipeline implements AsyncDisposable {
  readonly #gst = loadGstreamer()
  readonly #config: EncoderConfig
  readonly #encoder: VideoEncoder
  readonly #pipeline: GstPointer
  readonly #wanted: boolean[]
  readonly #pulling: Promise<void>[]
  readonly #elements = new Map<string, GstPointer>()
  readonly #keyframes: KeyframeClock
  #targetKbps: number
  #closed = false

  /** @throws CodedError `gstreamer_failed` where a source or an encoder does not start */
  static async start(
    config: EncoderConfig,
    encoder: VideoEncoder,
    sink: EncoderPipelineSink,
  ): Promise<EncoderPipeline> {
    const pipeline = new EncoderPipeline(config, encoder, sink)
    if (await pipeline.#play()) return pipeline
    const reason = await pipeline.ended
    await pipeline[Symbol.asyncDispose]()
    throw new CodedError('gstreamer_failed', reason)
  }

  /** Why the pipeline ended by itself. Pending while it runs, and after it was closed. */
  readonly ended: Promise<string>

  private constructor(config: EncoderConfig, encoder: VideoEncoder, sink: EncoderPipelineSink) {
    const gst = this.#gst
    this.#config = config
    this.#encoder = encoder
    this.#targetKbps = config.target_kbps
    this.#wanted = config.renditions.map(() => true)
    this.#keyframes = new KeyframeClock(config.fps)
    this.#keyframes.setInterval(config.keyframe_ms ?? null)
    const error: [GstPointer | null] = [null]
    const made: GstPointer | null = gst.parseLaunch(describePipeline(config, encoder, this.#split()), error)
    if (made === null || error[0] !== null)
      throw new CodedError('gstreamer_failed', `GStreamer refuses the pipeline: ${readError(error[0])}`)
    this.#pipeline = made
    const clock = gst.systemClock()
    gst.setArg(clock, 'clock-type', 'realtime')
    gst.useClock(made, clock)
    gst.setStartTime(made, TIME_NONE)
    gst.setBaseTime(made, 0n)
    this.ended = this.#watch(gst.getBus(made))
    this.#pulling = config.renditions.map((_, rendition) =>
      this.#pull(videoOut(rendition), (data, pts, keyframe) => {
        if (this.#keyframes.picture(rendition, keyframe, pts)) this.requestKeyframe(rendition)
        sink.video(rendition, data, pts)
      }),
    )
    if (config.sound) this.#pulling.push(this.#pull(SOUND_OUT, (data, pts) => sink.audio(data, pts)))
  }

  /** Takes one picture, I420, captured at `unixMs`. A picture too many is dropped. */
  push(picture: Buffer, unixMs: number): void {
    if (this.#closed) return
    const buffer: GstPointer = this.#gst.bufferNew(null, picture.length, null)
    this.#gst.bufferFill(buffer, 0, picture, picture.length)
    setBufferPts(buffer, BigInt(unixMs) * 1_000_000n)
    this.#gst.pushBuffer(this.#element(PICTURE), buffer)
  }

  /** The bitrate from now on, kb/s of all renditions and sound together. */
  setTarget(kbps: number): void {
    this.#targetKbps = kbps
    const { property, text } = bitrateProperty(this.#encoder)
    this.#split().forEach((share, rendition) => {
      this.#setArg(videoEncoder(rendition), property, text(share))
    })
  }

  /** Makes the next picture of a rendition, or of all, an IDR. */
  requestKeyframe(rendition: number | null): void {
    if (this.#closed) return
    const all = this.#wanted.flatMap((wanted, index) => (wanted ? [index] : []))
    for (const index of rendition === null ? all : all.filter((one) => one === rendition))
      this.#gst.sendEvent(this.#element(videoOut(index)), this.#gst.forceKeyUnit(TIME_NONE, 1, 0))
  }

  /** The most time from one IDR to the next, ms. */
  setKeyframeInterval(ms: number): void {
    this.#keyframes.setInterval(ms)
  }

  /** How much louder the sound is than its source, dB. */
  setGain(db: number): void {
    if (this.#config.sound) for (const name of GAINS) this.#setArg(name, 'volume', gainFactor(db))
  }

  /** Stops what is not wanted. What is wanted again begins with an IDR. */
  setDemand(video: readonly boolean[], audio: boolean): void {
    this.#wanted.forEach((before, rendition) => {
      const now = video[rendition] ?? false
      if (now === before) return
      this.#wanted[rendition] = now
      this.#setArg(videoValve(rendition), 'drop', String(!now))
      if (now) this.requestKeyframe(rendition)
    })
    if (this.#config.sound) this.#setArg(SOUND_VALVE, 'drop', String(!audio))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await onThread(this.#gst.setState, this.#pipeline, STATE_NULL)
    await Promise.all(this.#pulling)
  }

  async #play(): Promise<boolean> {
    const FAILURE = 0
    return (await onThread(this.#gst.setState, this.#pipeline, STATE_PLAYING)) !== FAILURE
  }

  #split(): readonly number[] {
    const pixels = this.#config.renditions.map(({ width, height }) => width * height)
    return splitBitrate(this.#targetKbps, this.#config.sound?.kbps ?? 0, pixels)
  }

  #setArg(element: string, property: string, value: string): void {
    if (!this.#closed) this.#gst.setArg(this.#element(element), property, value)
  }

  #element(name: string): GstPointer {
    const known = this.#elements.get(name)
    if (known !== undefined) return known
    const found: GstPointer = this.#gst.binGetByName(this.#pipeline, name)
    this.#elements.set(name, found)
    return found
  }

  async #watch(bus: GstPointer): Promise<string> {
    while (!this.#closed) {
      const { busPop } = this.#gst
      const message = await onThread<GstPointer | null>(busPop, bus, WAIT_NS, MESSAGES_OF_THE_END)
      if (message !== null) return readEnd(message)
    }
    return new Promise(() => {})
  }

  /** One thread per sink waits for the next access unit of that sink. */
  async #pull(sink: string, take: (data: Buffer, ptsNs: bigint, keyframe: boolean) => void): Promise<void> {
    const gst = this.#gst
    const element = this.#element(sink)
    while (!this.#closed) {
      const sample = await onThread<GstPointer | null>(gst.pullSample, element, WAIT_NS)
      if (sample === null) continue
      const buffer: GstPointer = gst.sampleBuffer(sample)
      const data = Buffer.allocUnsafe(Number(gst.bufferSize(buffer)))
      gst.bufferExtract(buffer, 0, data, data.length)
      const pts = bufferPts(buffer)
      const keyframe = isKeyframe(buffer)
      gst.miniObjectUnref(sample)
      take(data, pts, keyframe)
    }
  }
}
