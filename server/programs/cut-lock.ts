import { type Clock, steadyOf, wallOf } from '../../common/clock.ts'
import { CodedError } from '../../common/errors.ts'
import type { ProgramState } from './program-record.ts'

/** Times of a steady clock, ms. */
interface Held {
  /** See `ownerOf`: all tokens of a user hold the same lock. */
  readonly holder: string
  readonly sinceMs: number
  readonly seconds: number
  readonly endsMs: number
}

type Stored = ProgramState['lock']

/** Who alone may cut a program. A lock lasts for a time after its holder's last cut. */
export class CutLock {
  readonly #clock: Clock
  #held: Held | null

  constructor(stored: Stored, clock: Clock) {
    this.#clock = clock
    this.#held = stored && {
      holder: stored.holder,
      seconds: stored.seconds,
      sinceMs: steadyOf(clock, stored.since),
      endsMs: steadyOf(clock, stored.expires_at),
    }
  }

  /** Who has the lock; null where nobody does. */
  get holder(): string | null {
    return this.#present?.holder ?? null
  }

  /** @throws CodedError `program_locked` (409) where somebody else has the lock */
  refuseOthers(asker: string): void {
    const { holder, endsMs } = this.#present ?? {}
    if (holder === undefined || holder === asker) return
    const seconds = Math.ceil((endsMs! - this.#clock.steady()) / 1000)
    throw new CodedError('program_locked', `${holder} has the cut of the program`, {
      details: [`the lock ends in ${seconds} s, unless ${holder} goes on cutting`],
    })
  }

  /** The lock is the asker's from now on, whoever had it. */
  take(asker: string, seconds: number): void {
    const now = this.#clock.steady()
    const own = this.#present?.holder === asker ? this.#present : null
    this.#held = { holder: asker, sinceMs: own?.sinceMs ?? now, seconds, endsMs: now + seconds * 1000 }
  }

  release(): void {
    this.#held = null
  }

  /** Its holder did something with the program: the lock lasts as long again from now. */
  used(asker: string): void {
    const present = this.#present
    if (present?.holder === asker) this.take(asker, present.seconds)
  }

  get stored(): Stored {
    const held = this.#present
    const clock = this.#clock
    if (!held) return null
    const [since, expires_at] = [wallOf(clock, held.sinceMs), wallOf(clock, held.endsMs)]
    return { holder: held.holder, seconds: held.seconds, since, expires_at }
  }

  get #present(): Held | null {
    return this.#held !== null && this.#held.endsMs > this.#clock.steady() ? this.#held : null
  }
}
