import type { Device, types } from 'mediasoup-client'
import type { FlowContract } from '../../common/wire/flow-contract.ts'
import type { LayerDemand } from '../../common/wire/publisher-protocol.ts'
import { encodingsOf, layersFor, type PublishCodec, type PublishLayers } from './publish-encodings.ts'
import { codecOf } from './sending-device.ts'
import type { SendingMedia } from './sending-media.ts'

export interface TrackWishes {
  /** For video; VP8 by default. Where the contract asks for a codec, that codec is sent. */
  readonly codec?: PublishCodec
  /** For video; by default, or where the wish can't be met, what the codec is usually sent with. */
  readonly layers?: PublishLayers
  /** For video, kb/s, bounded by the contract's ceiling. */
  readonly maxKbps?: number
  /** For audio: two channels and 128 kb/s, without the processing meant for speech. */
  readonly music?: boolean
}

/** What a contract says about a track. */
export type TrackTerms = Pick<FlowContract, 'abr' | 'video_codec' | 'input'>

const SPEECH_BITS = 48_000
const MUSIC_BITS = 128_000
/** This browser can't send a track as wished. */
export class CannotSend extends Error {}

/** Height of a track that does not tell its height. */
const USUAL_HEIGHT = 720

/** One track on its way to the hub, over any number of transports one after the other. */
export class PublishedTrack {
  readonly kind: types.MediaKind
  readonly wishes: TrackWishes
  readonly #closed: () => void
  #track: MediaStreamTrack
  #media: SendingMedia | null = null
  #device: Device | null = null
  #producer: types.Producer | null = null
  #askedCodec: PublishCodec | undefined
  #muted = false
  #demand: LayerDemand | null = null
  #ceilingKbps = Number.POSITIVE_INFINITY
  /** Height of the produced track: a track in its place is sent in as many layers. */
  #height = USUAL_HEIGHT
  #over = false
  /** Changes of the sender run one after the other: each reads what the one before wrote. */
  #work: Promise<unknown> = Promise.resolve()

  /** @param closed called when the track is no longer published */
  constructor(track: MediaStreamTrack, wishes: TrackWishes, closed: () => void) {
    this.kind = track.kind === 'audio' ? 'audio' : 'video'
    this.wishes = wishes
    this.#track = track
    this.#closed = closed
  }

  get track(): MediaStreamTrack {
    return this.#track
  }

  /** Size of the pictures, as the track tells it; undefined for sound, and where the track does not tell. */
  get picture(): { readonly width: number; readonly height: number } | undefined {
    const { width, height } = this.#track.getSettings()
    return width && height ? { width: Math.round(width), height: Math.round(height) } : undefined
  }

  get muted(): boolean {
    return this.#muted
  }

  get producer(): types.Producer | null {
    return this.#producer
  }

  /** Stops or starts sending. The track goes on, and viewers are told. */
  async mute(muted: boolean): Promise<void> {
    this.#muted = muted
    await this.#inTurn(() => this.#applyMute())
  }

  /** Sends another track of the same kind instead: another camera, or the screen. Nobody has to negotiate. */
  async replace(track: MediaStreamTrack): Promise<void> {
    if (track.kind !== this.kind) throw new TypeError(`a ${this.kind} track can't become ${track.kind}`)
    this.#track = track
    await this.#inTurn(async () => {
      await this.#producer?.replaceTrack({ track })
    })
  }

  /** Stops publishing. The track itself belongs to the page. */
  close(): void {
    const [media, producer] = [this.#media, this.#producer]
    this.#over = true
    this.#producer = null
    this.#media = null
    if (media !== null && producer !== null) endProducer(media, producer)
    this.#closed()
  }

  /** Sends over this transport from now on. @throws the reason when the browser or the hub can't */
  async produceOn(media: SendingMedia, device: Device, terms: TrackTerms): Promise<void> {
    this.#ceilingKbps = terms.abr.max_kbps
    this.#askedCodec = askedOf(terms, device)
    this.#demand = null
    await this.#inTurn(async () => {
      if (this.#over) return
      this.#media = media
      this.#device = device
      await this.#produce(media, device)
    })
  }

  /** Sends only what somebody consumes. */
  demanded(demand: LayerDemand): void {
    this.#demand = demand
    void this.#inTurn(() => this.#applyEncodings())
  }

  /**
   * Makes the next picture a keyframe, in browsers that can (W3C webrtc-extensions, `RTCEncodingOptions`). Viewers who
   * waited for a lost path have no picture otherwise until the hub asks again, which it does once a second.
   */
  beginAgain(): void {
    if (this.kind === 'video') void this.#inTurn(() => this.#askForKeyframe()).catch(() => {})
  }

  /** Takes other terms of the contract. Another codec needs another producer on the same transport. */
  bound(terms: TrackTerms): void {
    const codec = this.#codec
    if (this.#device) this.#askedCodec = askedOf(terms, this.#device)
    if (this.kind === 'video' && this.#codec !== codec)
      void this.#inTurn(() => this.#produceAgain()).catch(() => {})
    const { max_kbps } = terms.abr
    if (max_kbps === this.#ceilingKbps) return
    this.#ceilingKbps = max_kbps
    void this.#inTurn(() => this.#applyEncodings())
  }

  async #produce(media: SendingMedia, device: Device): Promise<void> {
    const producer = await media.produce(this.kind === 'audio' ? this.#audio() : this.#video(device))
    // The page closed the track meanwhile.
    if (this.#over) return endProducer(media, producer)
    this.#producer = producer
    await this.#applyMute()
  }

  async #produceAgain(): Promise<void> {
    const [media, device, producer] = [this.#media, this.#device, this.#producer]
    if (!media || !device || !producer || media.closed) return
    endProducer(media, producer)
    this.#producer = null
    await this.#produce(media, device)
  }

  get #codec(): PublishCodec {
    return this.#askedCodec ?? this.wishes.codec ?? 'vp8'
  }

  #audio(): types.ProducerOptions {
    const music = this.wishes.music === true
    return {
      track: this.#track,
      stopTracks: false,
      zeroRtpOnPause: true,
      disableTrackOnPause: false,
      encodings: [{ maxBitrate: music ? MUSIC_BITS : SPEECH_BITS }],
      codecOptions: { opusStereo: music, opusFec: true, opusDtx: false },
    }
  }

  #video(device: Device): types.ProducerOptions {
    const codec = codecOf(device, this.#codec)
    if (codec === undefined)
      throw new CannotSend(
        `this browser can't send ${this.#codec.toUpperCase()}${this.#askedCodec ? ', and the stream takes nothing else' : ''}`,
      )
    this.#height = this.#track.getSettings().height ?? USUAL_HEIGHT
    return {
      track: this.#track,
      stopTracks: false,
      zeroRtpOnPause: true,
      disableTrackOnPause: false,
      codec,
      appData: { picture: this.picture },
      encodings: this.#encodings(),
      codecOptions: { videoGoogleStartBitrate: Math.min(1000, this.#maxKbps()) },
    }
  }

  get #layers(): PublishLayers {
    return layersFor(this.#codec, this.wishes.layers)
  }

  #encodings(): types.RtpEncodingParameters[] {
    return encodingsOf({
      codec: this.#codec,
      layers: this.#layers,
      height: this.#height,
      maxKbps: this.#maxKbps(),
      wantedLayers: this.#wantedLayers(),
    })
  }

  #maxKbps(): number {
    return Math.min(this.wishes.maxKbps ?? Number.POSITIVE_INFINITY, this.#ceilingKbps)
  }

  async #applyMute(): Promise<void> {
    const producer = this.#producer
    if (producer === null || producer.closed || producer.paused === this.#muted) return
    if (this.#muted) producer.pause()
    else producer.resume()
    await this.#media?.pauseProducer(producer.id, this.#muted)
  }

  async #applyEncodings(): Promise<void> {
    const sender = this.#producer?.rtpSender
    if (!sender || this.#producer?.closed === true) return
    const parameters = sender.getParameters()
    const wanted = this.kind === 'video' ? this.#encodings() : []
    parameters.encodings.forEach((encoding, layer) => {
      encoding.active = this.#isWanted(layer, parameters.encodings.length)
      const { maxBitrate, scalabilityMode, scaleResolutionDownBy } = wanted[layer] ?? {}
      if (maxBitrate !== undefined) encoding.maxBitrate = maxBitrate
      // In browsers with scalability modes, the mode turns layers of one encoding on and off.
      if (this.#layers === 'svc' && 'scalabilityMode' in encoding)
        Object.assign(encoding, { scalabilityMode, scaleResolutionDownBy })
    })
    await sender.setParameters(parameters)
  }

  async #askForKeyframe(): Promise<void> {
    const sender = this.#producer?.rtpSender
    if (!sender || this.#producer?.closed === true) return
    const parameters = sender.getParameters()
    const options = { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) }
    // The types of the browser's API lack the second argument.
    await Reflect.apply(sender.setParameters, sender, [parameters, options])
  }

  /** How many layers of a picture to send: those that somebody consumes, and those below them. */
  #wantedLayers(): number {
    return this.#demand === null
      ? Number.POSITIVE_INFINITY
      : Math.max(1, this.#demand.video.lastIndexOf(true) + 1)
  }

  /** A single encoding carries all layers. */
  #isWanted(layer: number, encodings: number): boolean {
    if (this.#demand === null) return true
    if (this.kind === 'audio') return this.#demand.audio
    const { video } = this.#demand
    return encodings === 1 ? video.includes(true) : (video[layer] ?? false)
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

/** The codec that is asked for. Only an input of a switched stream can be nothing else. */
function askedOf({ video_codec, input }: TrackTerms, device: Device): PublishCodec | undefined {
  const can = video_codec !== undefined && codecOf(device, video_codec) !== undefined
  return can || input ? video_codec : undefined
}

function endProducer(media: SendingMedia, producer: types.Producer): void {
  if (producer.closed) return
  producer.close()
  media.closeProducer(producer.id)
}
