import { CodedError, messageOf } from '../../common/errors.ts'
import { splitBitrate } from './bitrate-split.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import type { PulledBuffer } from './gst-pipeline.ts'
import { hasBSlice, hasIdr, neverReorders, whyNotShown } from './pass-through/h264-unit.ts'
import { PassChoice, type PassVerdict } from './pass-through/pass-choice.ts'
import { type EncoderOrders, PictureEncoder } from './picture-encoder.ts'
import { PictureThinning } from './picture-thinning.ts'
import { type PictureFormat, pictureFormat } from './picture-words.ts'
import type { VideoEncoder } from './video-encoders.ts'

/** Units that are kept while nobody knows whether browsers can show them: a third of a second. */
const MOST_HELD = 12
/** 30 pictures a second are those of a source with 30.3. */
const FASTER = 1.02
/** How long a failed encoder is left alone, ms. */
const AFTER_FAILURE_MS = 1000

/** What the way tells about itself. */
export interface PictureWayListener {
  /** One H.264 access unit, Annex B, with the capture time of its picture, Unix ns. */
  unit(rendition: number, data: Buffer, unixNs: bigint): void
  /** What encodes the largest rendition now: GStreamer's element, or `pass-through`. */
  element(name: string): void
  /** The pictures can't be encoded, or may not be sent as they are. */
  failed(reason: string): void
  /** A picture came that nobody wants, or that a decoder can't begin with. */
  idle(why: 'unwanted' | 'waits'): void
}

interface HeldUnit {
  readonly data: Buffer
  readonly unixNs: bigint
  readonly idr: boolean
}

/**
 * The way of pictures from a source to access units: encoded in each rendition, or, for the largest, as the source encoded
 * them. The encoder is made when the first picture needs it, and stays when the source goes and comes back the same.
 */
export class PictureWay implements AsyncDisposable {
  readonly #config: EncoderConfig
  readonly #element: VideoEncoder | null
  readonly #listener: PictureWayListener
  readonly #orders: EncoderOrders
  readonly #choice: PassChoice
  readonly #top: number
  readonly #thinning: PictureThinning
  #format: PictureFormat | undefined
  #encoder: PictureEncoder | null = null
  #retiring: Promise<void> = Promise.resolve()
  #notBefore = 0
  /** Whether the decoder has had a keyframe and everything since. */
  #fed = false
  #verdict: PassVerdict = 'encode'
  #topFrom: 'source' | 'encoder' | null = null
  #held: HeldUnit[] = []

  /** @param element the encoder; null where nothing is to be encoded */
  constructor(config: EncoderConfig, element: VideoEncoder | null, listener: PictureWayListener) {
    this.#config = config
    this.#element = element
    this.#listener = listener
    this.#top = config.renditions.length - 1
    this.#thinning = new PictureThinning(config.fps)
    this.#choice = new PassChoice({ mode: config.pass_through, canEncode: element !== null })
    this.#orders = {
      targetKbps: config.target_kbps,
      wanted: config.renditions.map((_, rendition) => config.demand?.video[rendition] ?? !config.demand),
      keyframeMs: config.keyframe_ms ?? null,
    }
  }

  /** The source was opened again. Whoever waited for pictures can begin with the first. */
  opened(): void {
    this.requestKeyframe(null)
    this.#fed = false
    this.#held = []
    if (this.#topFrom === 'source') this.#topFrom = null
  }

  /** Takes a picture of a source. */
  take(pulled: PulledBuffer): void {
    if (pulled.caps !== this.#format?.caps) this.#changeFormat(pulled.caps)
    const format = this.#format
    if (!format) return this.#listener.failed(`nobody takes ${pulled.caps.split(',')[0]} here`)
    if (format.kind === 'video/x-h264') this.#takeUnit(format, pulled)
    else if (this.#isFast(format) && !this.#thinning.takes(pulled.unixNs)) return
    else this.#encode(format, true, (encoder) => encoder.push(pulled.buffer, pulled.unixNs))
  }

  /** Takes a picture of a test card, with GStreamer's caps. The picture is copied. */
  takeCard(caps: string, picture: Buffer, unixNs: bigint): void {
    if (caps !== this.#format?.caps) this.#changeFormat(caps)
    this.#encode(this.#format!, true, (encoder) => encoder.pushData(picture, unixNs))
  }

  setTarget(kbps: number): void {
    this.#orders.targetKbps = kbps
    this.#encoder?.setTarget(kbps)
  }

  /** Makes the next picture of a rendition, or of all, an IDR. @returns whether the source itself has to make one */
  requestKeyframe(rendition: number | null): boolean {
    const which = rendition === null ? this.#orders.wanted.keys() : [rendition]
    for (const index of which) if (this.#orders.wanted[index]) this.#encoder?.requestKeyframe(index)
    return this.#topFrom === 'source' && (rendition === null || rendition === this.#top)
  }

  setKeyframeInterval(ms: number): void {
    this.#orders.keyframeMs = ms
    this.#encoder?.setKeyframeInterval(ms)
  }

  /** Stops what is not wanted. What is wanted again begins with an IDR. */
  setDemand(video: readonly boolean[]): void {
    for (const rendition of this.#orders.wanted.keys())
      this.#orders.wanted[rendition] = video[rendition] ?? false
    if (!this.#orders.wanted[this.#top] && this.#topFrom === 'source') this.#topFrom = null
    this.#encoder?.setWanted(this.#wantedOfEncoder())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retire()
    await this.#retiring
  }

  /** Whether a source delivers more pictures than are asked for. The rate by its own word may be left out. */
  #isFast({ fps }: PictureFormat): boolean {
    return fps !== null && fps > this.#config.fps * FASTER
  }

  #changeFormat(caps: string): void {
    this.#format = pictureFormat(caps)
    this.#fed = false
    this.#held = []
    if (this.#topFrom === 'source') this.#topFrom = null
    if (this.#format?.kind === 'video/x-h264') this.#choice.stream(whyNotShown(caps), neverReorders(caps))
    this.#decide(this.#format?.kind === 'video/x-h264' ? 'hold' : 'encode')
  }

  #decide(verdict: PassVerdict): void {
    if (verdict === this.#verdict) return
    this.#verdict = verdict
    this.#encoder?.setWanted(this.#wantedOfEncoder())
  }

  /** Whether each rendition is to come out of the encoder. */
  #wantedOfEncoder(): boolean[] {
    return this.#orders.wanted.map(
      (wanted, rendition) => wanted && (rendition < this.#top || this.#verdict === 'encode'),
    )
  }

  #takeUnit(format: PictureFormat, pulled: PulledBuffer): void {
    const data = pulled.read()
    const idr = hasIdr(data)
    const unit = { data, unixNs: pulled.unixNs, idr }
    const verdict = this.#choice.unit(data.length, hasBSlice(data), this.#roomKbps(), performance.now())
    this.#decide(verdict)
    const { obstacle } = this.#choice
    if (obstacle !== null && this.#topFrom === 'source') this.#topFrom = null
    if (obstacle !== null && this.#config.pass_through === 'always')
      return this.#listener.failed(`the source cannot be sent as it comes: ${obstacle}`)
    if (verdict === 'hold') this.#hold(unit)
    else this.#passUnits([...this.#held.splice(0), unit], verdict)
    if (this.#element !== null)
      this.#encode(format, idr, (encoder) => encoder.push(pulled.buffer, pulled.unixNs))
  }

  #hold(unit: HeldUnit): void {
    if (unit.idr) this.#held = []
    if (unit.idr || this.#held.length > 0) this.#held.push(unit)
    if (this.#held.length > MOST_HELD) this.#held = []
  }

  /** Sends units as they are, from an IDR on. A source that is to be encoded goes on until the encoder has an IDR. */
  #passUnits(units: readonly HeldUnit[], verdict: PassVerdict): void {
    if (!this.#orders.wanted[this.#top]) return
    for (const { data, unixNs, idr } of units) {
      if (verdict === 'pass' && idr && this.#topFrom !== 'source') {
        this.#topFrom = 'source'
        this.#listener.element('pass-through')
      }
      if (this.#topFrom === 'source') this.#listener.unit(this.#top, data, unixNs)
      else if (verdict === 'pass') this.#listener.idle('waits')
    }
  }

  /** What the largest rendition may have, kb/s. */
  #roomKbps(): number {
    const { renditions, sound } = this.#config
    const pixels = renditions.map(({ width, height }) => width * height)
    return splitBitrate(this.#orders.targetKbps, sound?.kbps ?? 0, pixels)[this.#top]!
  }

  /** @param begins whether a decoder can begin with this picture */
  #encode(format: PictureFormat, begins: boolean, push: (encoder: PictureEncoder) => void): void {
    if (!this.#wantedOfEncoder().includes(true)) {
      this.#fed = false
      if (!this.#orders.wanted.includes(true)) this.#listener.idle('unwanted')
      return
    }
    if (!this.#fed && !begins) return this.#listener.idle('waits')
    const encoder = this.#encoderFor(format)
    if (!encoder) return
    this.#fed = true
    push(encoder)
  }

  #encoderFor(format: PictureFormat): PictureEncoder | null {
    if (this.#encoder?.format.caps === format.caps) return this.#encoder
    if (performance.now() < this.#notBefore || this.#element === null) return null
    this.#retire()
    try {
      const encoder = new PictureEncoder(
        this.#config,
        format,
        this.#element,
        { ...this.#orders, wanted: this.#wantedOfEncoder() },
        (rendition, data, unixNs, keyframe) => this.#encoded(encoder, rendition, data, unixNs, keyframe),
      )
      this.#encoder = encoder
      encoder.play().catch((thrown: unknown) => this.#fail(encoder, messageOf(thrown)))
      void encoder.ended.then(({ reason }) => this.#fail(encoder, reason))
      return encoder
    } catch (thrown) {
      if (!(thrown instanceof CodedError)) throw thrown
      this.#fail(this.#encoder, thrown.message)
      return null
    }
  }

  #encoded(from: PictureEncoder, rendition: number, data: Buffer, unixNs: bigint, keyframe: boolean): void {
    if (from !== this.#encoder) return
    if (rendition === this.#top) {
      if (this.#verdict !== 'encode') return
      if (this.#topFrom !== 'encoder') {
        if (!keyframe) return
        this.#topFrom = 'encoder'
        this.#listener.element(this.#element!)
      }
    }
    this.#listener.unit(rendition, data, unixNs)
  }

  #fail(encoder: PictureEncoder | null, reason: string): void {
    if (encoder !== this.#encoder) return
    this.#notBefore = performance.now() + AFTER_FAILURE_MS
    this.#retire()
    this.#listener.failed(reason)
  }

  #retire(): void {
    const encoder = this.#encoder
    if (!encoder) return
    this.#encoder = null
    this.#fed = false
    if (this.#topFrom === 'encoder') this.#topFrom = null
    this.#retiring = Promise.all([this.#retiring, encoder[Symbol.asyncDispose]()]).then(() => {})
  }
}
