import { CodedError } from '../../common/errors.ts'
import { CONNECT_WITHIN_MS, SdpSession, type SdpSessionOptions, sessionNotFound } from './sdp-session.ts'

/** All WHIP and WHEP sessions of the hub, by id. */
export class SdpSessions implements Disposable {
  readonly #sessions = new Map<string, SdpSession>()
  readonly #most: number
  readonly #connectWithinMs: number
  /** Sessions in the making. They hold their place already. */
  #making = 0

  /**
   * @param most most sessions at once
   * @param connectWithinMs a session whose client does not connect ends after this time
   */
  constructor(most: number, connectWithinMs = CONNECT_WITHIN_MS) {
    this.#most = most
    this.#connectWithinMs = connectWithinMs
  }

  get size(): number {
    return this.#sessions.size + this.#making
  }

  /** Sessions whose client is connected or is being answered; `anonymous`: those of them whose maker has no token. */
  get inUse(): { readonly used: number; readonly anonymous: number } {
    const connected = Array.from(this.#sessions.values()).filter((session) => session.connected)
    const anonymous = connected.filter((session) => session.anonymous).length
    return { used: connected.length + this.#making, anonymous }
  }

  /**
   * Makes a session with its media. Where there are too many sessions, the oldest without a connected client gives way,
   * those of makers without a token first.
   * @param anonymous whether the maker has no token, and so displaces no maker with a token
   * @throws CodedError `saturated` (503), and whatever `make` throws
   */
  async open(
    anonymous: boolean,
    make: (over: () => void) => Promise<SdpSessionOptions>,
  ): Promise<SdpSession> {
    if (this.size >= this.#most) this.#makeRoom(anonymous)
    if (this.size >= this.#most)
      throw new CodedError('saturated', 'too many sessions are open; try again later')
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
      // The media was over before it was here.
      if (over) made[Symbol.dispose]()
      return made
    } finally {
      this.#making -= 1
    }
  }

  /**
   * @param owner the caller; null for a caller without a proof
   * @throws CodedError `session_not_found` (404), also where the session is somebody else's
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
