import { CodedError } from '../../common/errors.ts'
import { CONNECT_WITHIN_MS, SdpSession, type SdpSessionOptions, sessionNotFound } from './sdp-session.ts'

/** Every WHIP and WHEP session of the hub by its id. */
export class SdpSessions implements Disposable {
  readonly #sessions = new Map<string, SdpSession>()
  readonly #most: number
  readonly #connectWithinMs: number
  /** Sessions that are being made: they hold their place already. */
  #making = 0

  /**
   * @param most sessions there may be at once
   * @param connectWithinMs those whose client does not connect are ended after so long
   */
  constructor(most: number, connectWithinMs = CONNECT_WITHIN_MS) {
    this.#most = most
    this.#connectWithinMs = connectWithinMs
  }

  get size(): number {
    return this.#sessions.size + this.#making
  }

  /** Those whose client is there, or is being answered; `anonymous`: of those, who made it has no token. */
  get inUse(): { readonly used: number; readonly anonymous: number } {
    const connected = Array.from(this.#sessions.values()).filter((session) => session.connected)
    const anonymous = connected.filter((session) => session.anonymous).length
    return { used: connected.length + this.#making, anonymous }
  }

  /**
   * Makes a session with its media. Where there are too many, the oldest that did not connect gives way, those of
   * whoever has no token first.
   * @param anonymous whether who asks has no token, and so takes nothing from who has one
   * @throws CodedError `saturated` (503), and whatever `make` throws
   */
  async open(
    anonymous: boolean,
    make: (over: () => void) => Promise<SdpSessionOptions>,
  ): Promise<SdpSession> {
    if (this.size >= this.#most) this.#makeRoom(anonymous)
    if (this.size >= this.#most)
      throw new CodedError('saturated', 'too many sessions are open; try again later', { status: 503 })
    this.#making += 1
    try {
      let session: SdpSession | null = null
      let over = false
      const options = await make(() => {
        over = true
        session?.[Symbol.dispose]()
      })
      const ended = () => {
        this.#sessions.delete(made.id)
        options.ended()
      }
      const made: SdpSession = new SdpSession({ ...options, ended }, this.#connectWithinMs)
      session = made
      this.#sessions.set(made.id, made)
      // Its media was over before it was one.
      if (over) made[Symbol.dispose]()
      return made
    } finally {
      this.#making -= 1
    }
  }

  /**
   * @param owner who asks; null where nobody proved who they are
   * @throws CodedError `session_not_found` (404), also where it is another's
   */
  get(door: 'whip' | 'whep', streamId: string, id: string, owner: string | null): SdpSession {
    const session = this.#sessions.get(id)
    if (!session || session.door !== door || session.streamId !== streamId) throw sessionNotFound()
    if (session.owner !== null && session.owner !== owner) throw sessionNotFound()
    return session
  }

  #makeRoom(anonymous: boolean): void {
    const waiting = Array.from(this.#sessions.values()).filter((session) => !session.connected)
    const first = waiting.find((session) => session.anonymous)
    const givingWay = first ?? (anonymous ? undefined : waiting[0])
    givingWay?.[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions.values()) session[Symbol.dispose]()
  }
}
