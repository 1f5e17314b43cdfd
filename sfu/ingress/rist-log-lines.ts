import type { RistLogLine } from '../../common/rist/log-channel.ts'
import { rejectionOf } from './rist-rejections.ts'

/** librist's errors are about a network or a sender. They are no failure of the hub. */
const LOGGED_AS = { debug: 'debug', info: 'debug', warn: 'warn', error: 'warn' } as const
/** librist writes this each second while a stream with slow pictures pauses. The hub itself tells silence from loss. */
const PAUSE = /^stream is dead \(/

/** The level at which a line of librist is logged. */
export function loggedAs({ level, message }: RistLogLine): 'debug' | 'warn' {
  return PAUSE.test(message) ? 'debug' : LOGGED_AS[level]
}

/** Lines of a kind that are written at once, and the time after which one more is. */
const BURST = 20
const REFILL_MS = 1000

interface Kind {
  left: number
  refilledAt: number
  unwritten: number
}

/**
 * Decides which of librist's lines are written: of each kind 20 at once, then one a second. librist writes a line for
 * each packet that it does not like, and anybody can send such packets. Lines about refusals are a kind for each
 * reason, lines about pauses are a kind, and all others are a kind for each level. Pure: callers give the time, in ms
 * of a monotonic clock.
 */
export class RistLogLines {
  readonly #kinds = new Map<string, Kind>()

  /** @returns what the line says beside librist's text; null for a line that is not written */
  next(line: RistLogLine, nowMs: number): { readonly unwritten?: number } | null {
    const name = PAUSE.test(line.message) ? 'pause' : (rejectionOf(line)?.reason ?? line.level)
    const kind = this.#kinds.get(name) ?? { left: BURST, refilledAt: nowMs, unwritten: 0 }
    this.#kinds.set(name, kind)
    const refills = Math.floor((nowMs - kind.refilledAt) / REFILL_MS)
    kind.refilledAt += refills * REFILL_MS
    kind.left = Math.min(BURST, kind.left + refills)
    if (kind.left === 0) {
      kind.unwritten += 1
      return null
    }
    kind.left -= 1
    const { unwritten } = kind
    kind.unwritten = 0
    return unwritten > 0 ? { unwritten } : {}
  }
}
