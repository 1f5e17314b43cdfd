import type { WriteStream } from 'node:tty'

/** One line on a terminal that says what a benchmark does now; whole lines where there is no terminal. */
export class Progress {
  readonly #out: NodeJS.WriteStream | WriteStream
  readonly #startedAt = performance.now()
  #shown = ''

  constructor(out: NodeJS.WriteStream) {
    this.#out = out
  }

  /** Says what happens now. */
  say(what: string): void {
    const seconds = Math.round((performance.now() - this.#startedAt) / 1000)
    const line = `[${seconds}s] ${what}`
    if (this.#out.isTTY) this.#out.write(`\r\x1b[K${line}`)
    else if (what !== this.#shown) this.#out.write(`${line}\n`)
    this.#shown = what
  }

  done(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K')
  }
}
