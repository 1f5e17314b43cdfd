import type { EncoderConfig } from './encoder-protocol.ts'
import { GstPipeline, type PulledBuffer } from './gst-pipeline.ts'
import { bufferAt, type PipelineEnd } from './gstreamer.ts'
import { RAW_SOUND } from './inputs/input-words.ts'

const SOUND = 'sound'
const OUT = 'sound-out'
const VALVE = 'sound-valve'
/** Two elements, each with half of the gain in dB: one goes to 20 dB. */
const GAINS = ['gain-1', 'gain-2'] as const
const TONE = 'audiotestsrc is-live=true wave=sine freq=440 volume=0.2 samplesperbuffer=480'
/** Where sound comes with the pictures, it is pushed. */
const PUSHED = `appsrc name=${SOUND} is-live=true format=time block=false max-bytes=400000 leaky-type=downstream caps=${RAW_SOUND}`
/** 10 ms at a time, by the pipeline's clock. */
const ALSA = `alsasrc name=${SOUND} provide-clock=false buffer-time=100000 latency-time=10000`

export type SoundConfig = NonNullable<EncoderConfig['sound']>

/** Encodes sound as Opus: from a source of its own, or as it is pushed. */
export class SoundEncoder implements AsyncDisposable {
  readonly #pipeline: GstPipeline

  /** @throws CodedError `gstreamer_failed` where the source or the encoder does not start */
  static async open(
    config: SoundConfig,
    wanted: boolean,
    take: (data: Buffer, unixNs: bigint) => void,
  ): Promise<SoundEncoder> {
    const encoder = new SoundEncoder(config, wanted, take)
    try {
      await encoder.#pipeline.play()
      return encoder
    } catch (thrown) {
      await encoder[Symbol.asyncDispose]()
      throw thrown
    }
  }

  private constructor(
    { source, kbps, gain_db }: SoundConfig,
    wanted: boolean,
    take: (data: Buffer, unixNs: bigint) => void,
  ) {
    const gains = GAINS.map((name) => `volume name=${name}`).join(' ! ')
    const opus = `opusenc bitrate=${kbps * 1000} frame-size=20 audio-type=restricted-lowdelay`
    this.#pipeline = new GstPipeline(
      `${sourceWords(source)} ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 ! ${gains} ! valve name=${VALVE} drop=${!wanted} ! ${opus} ! appsink name=${OUT} sync=false async=false max-buffers=30`,
    )
    if (source.kind === 'alsa') this.#pipeline.setText(SOUND, 'device', source.device)
    this.setGain(gain_db)
    this.#pipeline.pull(OUT, (pulled) => take(pulled.read(), pulled.unixNs))
  }

  /** How it ended by itself: a microphone was pulled. */
  get ended(): Promise<PipelineEnd> {
    return this.#pipeline.ended
  }

  /** Takes raw sound that came with the pictures. */
  push({ buffer, unixNs }: PulledBuffer): void {
    this.#pipeline.pushBuffer(SOUND, bufferAt(buffer, unixNs))
  }

  /** How much louder the sound is than its source, dB. */
  setGain(db: number): void {
    const factor = (10 ** (db / 20 / GAINS.length)).toFixed(6)
    for (const name of GAINS) this.#pipeline.set(name, 'volume', factor)
  }

  setWanted(wanted: boolean): void {
    this.#pipeline.set(VALVE, 'drop', String(!wanted))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]()
  }
}

function sourceWords(source: SoundConfig['source']): string {
  if (source.kind === 'tone') return TONE
  if (source.kind === 'embedded') return PUSHED
  return source.kind === 'alsa' ? ALSA : source.words
}
