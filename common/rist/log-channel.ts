import { closeSync } from 'node:fs'
import koffi from 'koffi'
import { openMessagePair, receiveMessage } from './libc.ts'
import { allocateLogging, type RistPointer } from './librist.ts'

export type RistLogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface RistLogLine {
  readonly level: RistLogLevel
  /** The line's text without librist's time and prefix, secrets replaced. */
  readonly message: string
}

const LEVELS: Readonly<Record<string, RistLogLevel>> = {
  DEBUG: 'debug',
  INFO: 'info',
  NOTICE: 'info',
  WARNING: 'warn',
  ERROR: 'error',
}

/** Most lines read at a time. Then the channel rests, so that a flood of lines cannot hold the event loop. */
const LINES_PER_TURN = 200
const REST_MS = 10

/**
 * librist's log lines, without a callback: librist writes each line to a socket, and this class reads the other end. A
 * log callback would make librist's threads wait for our event loop while they hold locks. A line is dropped when the
 * socket is full.
 */
export class RistLogChannel implements Disposable {
  /** `struct rist_logging_settings *` to create a context with; valid until disposal. */
  readonly settings: RistPointer
  readonly #readEnd: number
  readonly #writeEnd: number
  readonly #poll: ReturnType<typeof koffi.node.poll>
  readonly #buffer = Buffer.alloc(4096)
  readonly #secrets: readonly string[]
  readonly #onLine: (line: RistLogLine) => void
  #rest: NodeJS.Timeout | undefined
  #closed = false

  /** @param secrets texts that must never appear in a line, whatever librist writes */
  constructor(secrets: readonly string[], onLine: (line: RistLogLine) => void) {
    this.#secrets = secrets.filter((secret) => secret.length > 0)
    this.#onLine = onLine
    const { readEnd, writeEnd } = openMessagePair()
    this.#readEnd = readEnd
    this.#writeEnd = writeEnd
    this.settings = allocateLogging(writeEnd)
    this.#poll = koffi.node.poll(readEnd, { readable: true }, this.#turn)
  }

  readonly #turn = (): void => {
    if (this.drain(LINES_PER_TURN) < LINES_PER_TURN) return
    this.#poll.stop()
    this.#rest = setTimeout(() => {
      this.#poll.start({ readable: true }, this.#turn)
    }, REST_MS)
  }

  /** Reads the lines that librist has written so far, at most `limit`, and returns their number. */
  drain(limit: number = LINES_PER_TURN): number {
    for (let count = 0; count < limit; count++) {
      if (this.#closed) return count
      const length = receiveMessage(this.#readEnd, this.#buffer)
      if (length <= 0) return count
      this.#onLine(this.#parse(this.#buffer.toString('utf8', 0, length)))
    }
    return limit
  }

  #parse(text: string): RistLogLine {
    const match = /^[\d.]+\|[-\d.]+\|\[([A-Z]+)\]\s*([\s\S]*)$/.exec(text)
    const message = this.#scrub((match?.[2] ?? text).trim())
    return { level: LEVELS[match?.[1] ?? ''] ?? 'info', message }
  }

  #scrub(message: string): string {
    return this.#secrets.reduce((text, secret) => text.replaceAll(secret, '***'), message)
  }

  /** Call this only after the context that used the settings is destroyed. */
  [Symbol.dispose](): void {
    if (this.#closed) return
    this.drain()
    this.#closed = true
    clearTimeout(this.#rest)
    this.#poll.close()
    closeSync(this.#readEnd)
    closeSync(this.#writeEnd)
    koffi.free(this.settings)
  }
}
