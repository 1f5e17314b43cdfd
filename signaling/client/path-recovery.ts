import type { RestartReason } from '../../common/wire/web-rtc-shapes.ts'
import { reconnectDelayMs } from './reconnect-delay.ts'

/** A path that has not come back within this time will not: the hub keeps a transport without a path no longer, ms. */
const GIVE_UP_MS = 14_000
/** Something must come over the new path within this time after a restart, or ICE restarts once more, ms. */
const ARRIVES_WITHIN_MS = [1_500, 2_500, 4_000] as const
/** How often to look whether anything comes, ms. */
const LOOK_MS = 50

/** Reached the hub: `done`. The hub has no such transport any more: `gone`. The hub is not reached now: `unreachable`. */
export type Attempt = 'done' | 'gone' | 'unreachable'

export interface RecoveredPath {
  /** Tries once. `restart` is null where only the connection to the hub is lost. Never rejects. */
  attempt(restart: RestartReason | null, number: number): Promise<Attempt>
  /** Bytes that have come over the path so far, or null where nothing need come: the path is then as ICE says. */
  arrived(): Promise<number | null>
  /** Whether ICE has a path. */
  readonly connected: boolean
  /** The path, or the connection to the hub, is back. */
  recovered(): void
  /** It will not come back. */
  failed(reason: string): void
}

/** Brings a lost path back: restarts ICE until something arrives. One at a time. */
export class PathRecovery {
  readonly #path: RecoveredPath
  #running = false
  #restart: RestartReason | null = null
  #closed = false
  #wake = (): void => {}
  #done: Promise<void> = Promise.resolve()

  constructor(path: RecoveredPath) {
    this.#path = path
  }

  get running(): boolean {
    return this.#running
  }

  /** Resolves when nothing is being recovered. Never rejects. */
  get done(): Promise<void> {
    return this.#done
  }

  /** Begins, or, where it has begun already, makes an attempt at once if the reason is a new one. */
  begin(restart: RestartReason | null): void {
    if (this.#closed) return
    if (!this.#running) {
      this.#restart = restart
      this.#running = true
      this.#done = this.#run()
      return
    }
    const news = restart === 'network' || restart === 'woke' || (this.#restart === null && restart !== null)
    this.#restart ??= restart
    if (news) this.#wake()
  }

  close(): void {
    this.#closed = true
    this.#wake()
  }

  async #run(): Promise<void> {
    const begun = Date.now()
    let reached = 0
    for (let number = 0; !this.#closed; number++) {
      const restart = this.#restart
      const before = await this.#path.arrived().catch(() => null)
      const outcome = await this.#path.attempt(restart, number)
      if (this.#closed) break
      if (outcome === 'gone') return this.#end(() => this.#path.failed('the hub has given up the media'))
      if (outcome === 'done') {
        if (restart === null && this.#restart === null) return this.#end(() => this.#path.recovered())
        const waitMs = ARRIVES_WITHIN_MS[Math.min(reached++, ARRIVES_WITHIN_MS.length - 1)]!
        if (restart !== null && (await this.#arrives(before, waitMs)))
          return this.#end(() => this.#path.recovered())
      } else await this.#pause(reconnectDelayMs(number, 'soon'))
      if (Date.now() - begun > GIVE_UP_MS) return this.#end(() => this.#path.failed('no media arrived'))
    }
    this.#running = false
  }

  #end(tell: () => void): void {
    this.#running = false
    this.#restart = null
    if (!this.#closed) tell()
  }

  async #arrives(before: number | null, withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs
    let woken = false
    this.#wake = () => {
      woken = true
    }
    while (!woken && !this.#closed && performance.now() < until) {
      const now = await this.#path.arrived().catch(() => null)
      if (now === null ? this.#path.connected : now > (before ?? 0)) return true
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    return false
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
    this.#wake = () => {}
  }
}
