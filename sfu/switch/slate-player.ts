import { machineMs } from '../../common/clock.ts'
import type { HubToSwitch } from '../../common/wire/switch-ipc.ts'
import { Slate } from './slate.ts'
import type { SwitchedOutputs } from './switched-outputs.ts'

/** The slate's pictures are keyframes: a viewer that joins waits for at most this, ms. */
const SLATE_EVERY_MS = 500

/** Plays the slate on all outputs, from when an outage begins until an input is on air again. */
export class SlatePlayer implements Disposable {
  readonly #slate = new Slate()
  readonly #outputs: SwitchedOutputs
  readonly #together: (work: () => void) => void
  #timer: NodeJS.Timeout | undefined

  /** @param together sends what its argument sends at once */
  constructor(outputs: SwitchedOutputs, together: (work: () => void) => void) {
    this.#outputs = outputs
    this.#together = together
  }

  get plays(): boolean {
    return this.#timer !== undefined
  }

  /** An access unit of the slate: the next outage has others. */
  add({ rendition, index, unit }: Extract<HubToSwitch, { type: 'slate' }>): void {
    this.#slate.add(rendition, index, Buffer.from(unit, 'base64'))
    if (this.plays && index > 0) this.play()
  }

  start(): void {
    this.#timer ??= setInterval(() => this.play(), SLATE_EVERY_MS)
    this.play()
  }

  stop(): void {
    this[Symbol.dispose]()
    this.#slate.clear()
  }

  /** The next picture leaves now, if there is one. */
  play(): void {
    if (!this.#outputs.attached || this.#slate.empty) return
    const now = machineMs()
    this.#slate.advance()
    const { line } = this.#outputs
    const ticks = line.next(now)
    this.#together(() => {
      for (const [rendition, output] of this.#outputs.video.entries()) {
        const unit = this.#slate.unit(rendition)
        if (unit) this.#outputs.sendPicture(output, unit.bytes, unit.bounds, ticks)
      }
    })
    line.left(ticks, now)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
