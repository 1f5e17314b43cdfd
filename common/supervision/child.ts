import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex, Readable, Writable } from 'node:stream'
import { MessageChannel } from './message-channel.ts'

/** The descriptor where a child of our own finds its end of the channel, beyond standard input, output and error. */
const CHANNEL_FD = 3
/** Names that descriptor in the child's environment. */
export const CHANNEL_VARIABLE = 'LANECAST_CHANNEL'
/** How long the last words of a child are awaited after its exit, ms. */
const LAST_WORDS_MS = 200
/** Lets a child load packages as the hub does. */
const BUNDLE = new URL('../bundled-packages-first.ts', import.meta.url).href

/** A program of our own: TypeScript that begins with `Parent.connect`. */
export interface OurProgram {
  /** Absolute path. */
  readonly entry: string
  readonly nodeFlags?: readonly string[]
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Whether its standard output is read. Otherwise the output goes nowhere. */
  readonly readsOutput?: boolean
  /** Whether it is given a standard input. Otherwise it has none. */
  readonly takesInput?: boolean
}

/** A foreign program on the PATH. It must end with its standard input, which closes when this process ends. */
export interface ForeignProgram {
  readonly command: string
  readonly args: readonly string[]
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string>>
}

export type Program = OurProgram | ForeignProgram

export interface ChildListener {
  /** Any JSON; only programs of our own speak. */
  heard(message: unknown): void
  /** The child broke the channel's rules and is ended. @param why in words, about the child */
  broken(why: string): void
}

/**
 * One child process from start to exit. Its starter ends it. It also ends with this process, even if that is killed.
 */
export class Child implements AsyncDisposable {
  /** Undefined where the child could not be started. */
  readonly pid: number | undefined
  /**
   * Resolves when the process is gone and its messages were heard: a signal, `exit code 1`, or why it never started.
   */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  readonly #channel: MessageChannel | null
  readonly #stopWithinMs: number
  #gone = false

  /** @param stopWithinMs how long the child may take to end when asked, ms; 0 kills without asking */
  constructor(program: Program, listener: ChildListener, stopWithinMs: number) {
    this.#stopWithinMs = stopWithinMs
    const child = 'entry' in program ? spawnOurs(program) : spawnForeign(program)
    this.#process = child
    this.pid = child.pid
    const socket = child.stdio[CHANNEL_FD]
    this.#channel = socket
      ? new MessageChannel(socket as Duplex, {
          heard: (message) => listener.heard(message),
          broken: (why) => {
            this.kill()
            listener.broken(why)
          },
          ended: () => {},
        })
      : null
    child.stdin?.on('error', () => {}) // 'exit' tells.
    this.ended = new Promise<string>((resolve) => {
      child.on('error', (error) => {
        if (this.pid === undefined) resolve(`could not start: ${error.message}`)
      })
      child.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`
        const enough = setTimeout(resolve, LAST_WORDS_MS, how)
        child.once('close', () => {
          clearTimeout(enough)
          resolve(how)
        })
      })
    }).finally(() => {
      this.#gone = true
      this.#channel?.destroy()
    })
  }

  get stdin(): Writable | null {
    return this.#process.stdin
  }

  get stdout(): Readable | null {
    return this.#process.stdout
  }

  get stderr(): Readable | null {
    return this.#process.stderr
  }

  /** Sends a message. The message is lost when the child has ended. */
  send(message: unknown): void {
    if (!this.#gone) this.#channel?.send(message)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Asks the child to end by closing its channel and its standard input. Kills it when it takes too long. */
  async stop(): Promise<void> {
    if (this.#gone) return
    if (this.#stopWithinMs === 0) this.kill()
    this.#channel?.end()
    this.#process.stdin?.end()
    const killer = setTimeout(() => this.kill(), this.#stopWithinMs)
    await this.ended
    clearTimeout(killer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function spawnOurs(program: OurProgram): ChildProcess {
  const { entry, nodeFlags = [], env, readsOutput = false, takesInput = false } = program
  // A debugger's port belongs to this process alone.
  const inherited = process.execArgv.filter((flag) => !flag.startsWith('--inspect'))
  return spawn(process.execPath, [...inherited, ...nodeFlags, '--import', BUNDLE, entry], {
    stdio: [takesInput ? 'pipe' : 'ignore', readsOutput ? 'pipe' : 'ignore', 'inherit', 'pipe'],
    env: { ...process.env, ...env, [CHANNEL_VARIABLE]: String(CHANNEL_FD) },
  })
}

function spawnForeign({ command, args, env }: ForeignProgram): ChildProcess {
  return spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...env } })
}
