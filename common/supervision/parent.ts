import { Socket } from 'node:net'
import koffi from 'koffi'
import type { z } from 'zod'
import { CHANNEL_VARIABLE } from './child.ts'
import { MessageChannel } from './message-channel.ts'

/** Longest orderly end, ms. A parent that kills slow children has its own limit. */
const END_WITHIN_MS = 5000
/** prctl(2). */
const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

export interface ParentOptions<Told> {
  /** What the parent may tell. */
  readonly told: z.ZodType<Told>
  /** @throws anything, which ends the process */
  readonly hear: (message: Told) => void
  /** The parent wants the process to end, or has ended: work before the exit. */
  readonly stop?: () => void | Promise<void>
}

/**
 * The parent, as a child of {@link Child} sees it. The process ends when its parent says so or ends, also when the
 * parent is killed, and when the process itself hangs. The process ignores SIGINT and SIGTERM, which a terminal and a
 * service manager send to the whole group: the parent decides when its children end, because it may drain first.
 */
export class Parent<Says> {
  readonly #channel: MessageChannel

  private constructor(channel: MessageChannel) {
    this.#channel = channel
  }

  /** @throws where no parent has opened a channel */
  static connect<Says, Told>({ told, hear, stop }: ParentOptions<Told>): Parent<Says> {
    const descriptor = process.env[CHANNEL_VARIABLE]
    if (descriptor === undefined)
      throw new Error('Lanecast starts this program itself: it has no channel here')
    delete process.env[CHANNEL_VARIABLE]
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
    endWithParent()
    const end = async (): Promise<never> => {
      setTimeout(() => process.exit(1), END_WITHIN_MS).unref()
      await stop?.()
      process.exit(0)
    }
    const socket = new Socket({ fd: Number(descriptor), readable: true, writable: true, allowHalfOpen: true })
    return new Parent<Says>(
      new MessageChannel(socket, {
        heard: (message) => {
          const parsed = told.safeParse(message)
          if (parsed.success) return hear(parsed.data)
          // Messages hold secrets: what was refused is named, and not shown.
          const issues = parsed.error.issues.map(({ path, code }) => `${path.join('.')}: ${code}`)
          throw new Error(`the parent said what is not in the protocol: ${issues.join(', ')}`)
        },
        broken: (why) => {
          throw new Error(`the parent ${why}`)
        },
        ended: () => void end(),
      }),
    )
  }

  tell(message: Says): void {
    this.#channel.send(message)
  }

  /** Sends a last message and ends the process with exit code 1. */
  fail(message: Says): void {
    this.#channel.send(message, () => process.exit(1))
  }
}

/** The kernel kills this process when its parent ends: a process that loops or was stopped notices nothing itself. */
function endWithParent(): void {
  const prctl = koffi.load('libc.so.6').func('int prctl(int option, unsigned long argument)')
  prctl(PR_SET_PDEATHSIG, SIGKILL)
}
