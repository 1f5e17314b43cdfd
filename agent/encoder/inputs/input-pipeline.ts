import { GstPipeline, type PulledBuffer } from '../gst-pipeline.ts'
import type { PipelineEnd } from '../gstreamer.ts'
import { ArrivalClock } from './arrival-clock.ts'
import { type InputWords, SOUND_IN } from './input-words.ts'

/** A picture or a piece of sound, valid until the call that takes it returns. */
export type InputBuffer = PulledBuffer

export interface InputTaker {
  /** A picture as the source delivers it: raw, JPEG, or an access unit of H.264 (Annex B). */
  picture(buffer: InputBuffer): void
  /** Raw sound that came with the pictures. */
  sound(buffer: InputBuffer): void
}

const NS_PER_MS = 1e6

/** One attempt at a source: from opening it until it ends, fails, or is closed. */
export class InputPipeline implements AsyncDisposable {
  readonly #pipeline: GstPipeline

  /** @throws CodedError `gstreamer_failed` where the source cannot be opened */
  static async open(words: InputWords, taker: InputTaker): Promise<InputPipeline> {
    const input = new InputPipeline(words, taker)
    try {
      await input.#pipeline.play()
      return input
    } catch (thrown) {
      await input[Symbol.asyncDispose]()
      throw thrown
    }
  }

  private constructor({ words, texts, sinks, isFile, placedByArrival }: InputWords, taker: InputTaker) {
    this.#pipeline = new GstPipeline(words, isFile ? BigInt(Date.now()) * 1_000_000n : 0n)
    for (const [element, property, value] of texts) this.#pipeline.setText(element, property, value)
    const clock = placedByArrival ? new ArrivalClock() : null
    const place = (pulled: PulledBuffer): PulledBuffer => {
      if (!clock) return pulled
      const movedMs = clock.move(Number(pulled.unixNs / 1000n) / 1000, Date.now())
      return { ...pulled, unixNs: pulled.unixNs + BigInt(Math.round(movedMs * NS_PER_MS)) }
    }
    for (const sink of sinks) {
      const take = sink === SOUND_IN ? taker.sound.bind(taker) : taker.picture.bind(taker)
      this.#pipeline.pull(sink, (pulled) => take(place(pulled)))
    }
  }

  /** How it ended by itself. Pending while it runs, and after it was closed. */
  get ended(): Promise<PipelineEnd> {
    return this.#pipeline.ended
  }

  /** Asks the source for an IDR. Most cameras do not listen. */
  requestKeyframe(sink: string): void {
    this.#pipeline.requestKeyframe(sink)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pipeline[Symbol.asyncDispose]()
  }
}
