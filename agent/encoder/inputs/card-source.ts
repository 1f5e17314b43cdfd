import { pause } from '../../../common/retry.ts'
import { TestCardPicture } from '../test-card-picture.ts'
import { InputHealth, type InputVerdict } from './input-health.ts'

/** How often the card is judged, ms. */
const LOOK_EVERY_MS = 500
/** How long the first picture may take to be encoded, ms. */
const FIRST_WITHIN_MS = 5000

export interface CardSourceOptions {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly fps: number
  /** Takes a picture, valid during the call, with GStreamer's caps and its time, Unix ms. */
  readonly take: (caps: string, picture: Buffer, unixMs: number) => void
  readonly judged: (verdict: Omit<InputVerdict, 'reopen'>) => void
}

/** A source that never goes: a test card, drawn in this process, each picture when its time has come. */
export class CardSource implements AsyncDisposable {
  readonly health: InputHealth
  readonly #options: CardSourceOptions
  readonly #stop = new AbortController()
  readonly #broken = Promise.withResolvers<never>()
  /** Rejects where a card's pictures can't be encoded: nothing that comes back would help. */
  readonly running: Promise<void>

  constructor(options: CardSourceOptions) {
    this.#options = options
    this.health = new InputHealth({ fps: options.fps, firstWithinMs: FIRST_WITHIN_MS })
    // The first picture comes after the constructor: whoever takes it knows this source then.
    const drawing = Promise.resolve().then(() => this.#run(this.#stop.signal))
    this.running = Promise.race([drawing, this.#broken.promise])
  }

  requestKeyframe(): void {}

  /** The pictures can't be encoded. */
  reopen(reason: string): void {
    this.#broken.reject(new Error(reason))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.running.catch(() => {})
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.health.opened(performance.now())
    const looking = setInterval(() => {
      const { reopen: _, ...verdict } = this.health.look(performance.now())
      this.#options.judged(verdict)
    }, LOOK_EVERY_MS)
    try {
      await this.#draw(signal)
    } finally {
      clearInterval(looking)
    }
  }

  /** After a stall it goes on with the present picture. */
  async #draw(signal: AbortSignal): Promise<void> {
    const { fps, width, height, take } = this.#options
    const caps = `video/x-raw, format=(string)I420, width=(int)${width}, height=(int)${height}, framerate=(fraction)${fps}/1`
    const card = new TestCardPicture(this.#options)
    const startedAt = performance.now()
    let drawnMs = 0
    for (let frame = 0; !signal.aborted; ) {
      const unixMs = Math.max(Date.now(), drawnMs + 1)
      drawnMs = unixMs
      card.draw(unixMs)
      this.health.picture(performance.now())
      take(caps, card.data, unixMs)
      frame = Math.max(frame + 1, Math.floor(((performance.now() - startedAt) * fps) / 1000))
      await pause(Math.max(0, startedAt + (frame * 1000) / fps - performance.now()), signal).catch(() => {})
    }
  }
}
