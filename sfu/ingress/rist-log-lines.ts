import type { RistLogLine } from '../../common/rist/log-channel.ts'
import { rejectionOf } from './rist-rejections.ts'

/** What librist calls an error is what a network or a sender did, and no failure of the hub. */
const LOGGED_AS = { debug: 'debug', info: 'debug', warn: 'warn', error: 'warn' } as const
/** Written each second while a stream of a picture in some seconds makes its pauses; the hub tells silence by itself. */
const PAUSE = /^stream is dead \(/

/** The level that a line of librist's is logged with. */
export function loggedAs({ level, message }: RistLogLine): 'debug' | 'warn' {
  return PAUSE.test(message) ? 'debug' : LOGGED_AS[level]
}

/** Lines of a kind that are written at once, and how often one more. */
const BURST = 20
const REFILL_MS = 1000

interface Kind {
  left: number
  refilledAt: number
  unwritten: number
}

/**
 * Which of librist's lines are written: of each kind 20 at once, then one a second. librist writes a line for each packet
 * that it does not like, and anybody can send those. Lines about refusals are a kind for each reason, those
 * about pauses one of their own, all others one for each level. Pure: time is given in, in ms of a monotonic clock.
 */
export class RistLogLines {
  readonly #kinds = new Map<string, Kind>()

  /** @returns what the line says beside librist's text; null where there shall be none */
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
