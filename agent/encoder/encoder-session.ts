import type { EncoderCommand, EncoderConfig, EncoderReport } from './encoder-protocol.ts'
import { CardSource } from './inputs/card-source.ts'
import { InputKeeper } from './inputs/input-keeper.ts'
import { findVideoEncoder } from './picture-encoder.ts'
import { PictureWay } from './picture-way.ts'
import { SoundKeeper } from './sound-keeper.ts'
import { TsMuxer } from './ts-muxer.ts'

/** How often tables and clock are looked after while nothing is encoded, ms; also this process's sign of life. */
const IDLE_EVERY_MS = 100

export interface EncoderSessionOptions {
  readonly config: EncoderConfig
  /** MPEG-TS, whole packets. */
  readonly write: (ts: Buffer) => void
  readonly tell: (report: EncoderReport) => void
}

type InputState = Omit<Extract<EncoderReport, { type: 'state' }>, 'type'>

/** What the encoder process does for one configuration: source, encoders, sound, multiplex. */
export class EncoderSession implements AsyncDisposable {
  readonly #options: EncoderSessionOptions
  readonly #muxer: TsMuxer
  readonly #pictures: PictureWay
  readonly #sound: SoundKeeper | null
  readonly #source: CardSource | InputKeeper
  readonly #idle: NodeJS.Timeout
  /** Rejects where the session can't go on. */
  readonly running: Promise<unknown>
  #state: InputState = { input: 'starting', reason: null, element: null, fps: null }

  /** @throws CodedError `gstreamer_missing` where GStreamer lacks what the configuration needs */
  constructor(options: EncoderSessionOptions) {
    const { config, write } = options
    this.#options = options
    const element = config.pass_through === 'always' ? null : findVideoEncoder(config.encoder)
    this.#muxer = new TsMuxer({
      renditions: config.renditions.length,
      audioChannels: config.sound ? 2 : null,
    })
    this.#pictures = new PictureWay(config, element, {
      unit: (rendition, data, unixNs) => {
        this.#source.health.left(performance.now())
        write(this.#muxer.video(rendition, data, unixNs, Date.now()))
      },
      element: (name) => this.#change({ element: name }),
      failed: (reason) => this.#source.reopen(reason),
      idle: (why) => this.#source.health[why](),
    })
    this.#sound = config.sound && this.#keepSound(config.sound, config.demand?.audio ?? true)
    this.#source = this.#openSource()
    this.running = Promise.all([this.#source.running, this.#sound?.running])
    this.running.catch(() => {})
    this.#idle = setInterval(() => write(this.#muxer.idle(Date.now())), IDLE_EVERY_MS)
  }

  obey(command: Exclude<EncoderCommand, { type: 'start' }>): void {
    switch (command.type) {
      case 'bitrate':
        return this.#pictures.setTarget(command.target_kbps)
      case 'keyframe':
        if (this.#pictures.requestKeyframe(command.rendition)) this.#source.requestKeyframe()
        return
      case 'demand':
        this.#pictures.setDemand(command.video)
        return this.#sound?.setWanted(command.audio)
      case 'keyframe-interval':
        return this.#pictures.setKeyframeInterval(command.ms)
      case 'gain':
        return this.#sound?.setGain(command.db)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#idle)
    await Promise.all([
      this.#source[Symbol.asyncDispose](),
      this.#sound?.[Symbol.asyncDispose](),
      this.#pictures[Symbol.asyncDispose](),
    ])
  }

  #keepSound(config: NonNullable<EncoderConfig['sound']>, wanted: boolean): SoundKeeper {
    const { write, tell } = this.#options
    return new SoundKeeper({
      config,
      wanted,
      take: (data, unixNs) => write(this.#muxer.audio(data, unixNs, Date.now())),
      told: (reason) => tell({ type: 'sound', reason }),
    })
  }

  #openSource(): CardSource | InputKeeper {
    const { config, tell } = this.#options
    const { picture, fps, renditions, sound } = config
    if (picture.kind === 'test-card')
      return new CardSource({
        name: picture.name,
        fps,
        ...renditions.at(-1)!,
        take: (caps, card, unixMs) => this.#pictures.takeCard(caps, card, BigInt(unixMs) * 1_000_000n),
        judged: (verdict) => this.#change(verdict),
      })
    return new InputKeeper(
      {
        source: picture,
        fps,
        withSound: sound?.source.kind === 'embedded',
        opened: () => this.#pictures.opened(),
        judged: (verdict) => this.#change(verdict),
        soundFailed: (reason) => tell({ type: 'sound', reason }),
      },
      {
        picture: (buffer) => this.#pictures.take(buffer),
        sound: (buffer) => this.#sound?.push(buffer),
      },
    )
  }

  #change(changes: Partial<InputState>): void {
    const next = { ...this.#state, ...changes }
    const same = (Object.keys(next) as (keyof InputState)[]).every((key) => next[key] === this.#state[key])
    this.#state = next
    if (!same) this.#options.tell({ type: 'state', ...next })
  }
}
