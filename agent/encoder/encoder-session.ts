import { cardCaps, drawCard } from './card-drawer.ts'
import type { EncoderCommand, EncoderConfig, EncoderReport } from './encoder-protocol.ts'
import { InputHealth } from './inputs/input-health.ts'
import { InputKeeper, type KeptSource } from './inputs/input-keeper.ts'
import { findVideoEncoder } from './picture-encoder.ts'
import { PictureWay } from './picture-way.ts'
import { SoundKeeper } from './sound-keeper.ts'
import { TsMuxer } from './ts-muxer.ts'

/** How often tables and clock are looked after while nothing is encoded, ms; also this process's sign of life. */
const IDLE_EVERY_MS = 100
/** How often a test card is judged, ms. */
const LOOK_EVERY_MS = 500

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
  readonly #input: InputKeeper | null = null
  readonly #stop = new AbortController()
  readonly #idle: NodeJS.Timeout
  /** Rejects where the session can't go on. Pending until it is disposed of. */
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
    let left: () => void = () => {}
    let idle: (why: 'unwanted' | 'waits') => void = () => {}
    let failed: (reason: string) => void = () => {}
    this.#pictures = new PictureWay(config, element, {
      unit: (rendition, data, unixNs) => {
        left()
        write(this.#muxer.video(rendition, data, unixNs, Date.now()))
      },
      element: (name) => this.#change({ element: name }),
      failed: (reason) => failed(reason),
      idle: (why) => idle(why),
    })
    this.#sound = config.sound && this.#keepSound(config.sound, config.demand?.audio ?? true)
    const { picture } = config
    let work: Promise<void>
    if (picture.kind === 'test-card') {
      const health = new InputHealth({ fps: config.fps, firstWithinMs: 5000 })
      left = () => health.left(performance.now())
      idle = () => health.unwanted()
      const broken = Promise.withResolvers<never>()
      failed = (reason) => broken.reject(new Error(reason))
      work = Promise.race([this.#draw(picture.name, health), broken.promise])
    } else {
      const input = this.#keepInput(picture)
      this.#input = input
      left = () => input.health.left(performance.now())
      idle = (why) => (why === 'unwanted' ? input.health.unwanted() : input.health.waits())
      failed = (reason) => input.reopen(reason)
      work = input.running
    }
    this.running = Promise.all([work, this.#sound?.running])
    this.running.catch(() => {})
    this.#idle = setInterval(() => write(this.#muxer.idle(Date.now())), IDLE_EVERY_MS)
  }

  obey(command: Exclude<EncoderCommand, { type: 'start' }>): void {
    switch (command.type) {
      case 'bitrate':
        return this.#pictures.setTarget(command.target_kbps)
      case 'keyframe':
        if (this.#pictures.requestKeyframe(command.rendition)) this.#input?.requestKeyframe()
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
    this.#stop.abort()
    clearInterval(this.#idle)
    await Promise.all([
      this.#input?.[Symbol.asyncDispose](),
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

  #keepInput(source: KeptSource): InputKeeper {
    const { config, tell } = this.#options
    const withSound = config.sound?.source.kind === 'embedded'
    return new InputKeeper(
      {
        source,
        fps: config.fps,
        withSound,
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

  async #draw(name: string, health: InputHealth): Promise<void> {
    const { fps, renditions } = this.#options.config
    const card = { name, fps, ...renditions.at(-1)! }
    const caps = cardCaps(card)
    health.opened(performance.now())
    const looking = setInterval(() => {
      const { input, reason, fps } = health.look(performance.now())
      this.#change({ input, reason, fps })
    }, LOOK_EVERY_MS)
    try {
      await drawCard(
        card,
        (picture, unixMs) => {
          health.picture(performance.now())
          this.#pictures.takeCard(caps, picture, BigInt(unixMs) * 1_000_000n)
        },
        this.#stop.signal,
      )
    } finally {
      clearInterval(looking)
    }
  }

  #change(changes: Partial<InputState>): void {
    const next = { ...this.#state, ...changes }
    const same = (Object.keys(next) as (keyof InputState)[]).every((key) => next[key] === this.#state[key])
    this.#state = next
    if (!same) this.#options.tell({ type: 'state', ...next })
  }
}
