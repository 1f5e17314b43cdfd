import { randomBytes } from 'node:crypto'
import { CodedError } from '../../common/errors.ts'
import type { TransportEnd } from './answer.ts'
import { readIceFragment, writeIceFragment } from './ice-fragment.ts'
import type { Offer } from './offer.ts'
import { badSdp } from './session-description.ts'

/** A client that has not connected within this time after its answer will not come, ms. */
export const CONNECT_WITHIN_MS = 30_000

/** The media of one session. Media reports its own end; disposing of it ends it from outside. */
export interface SessionMedia extends Disposable {
  readonly transport: TransportEnd & {
    readonly dtlsState: string
    restartIce(): Promise<TransportEnd['iceParameters']>
  }
}

/** Versions in `If-Match`, as entity tags of ICE generations; `*` is any. */
export type IceTags = '*' | readonly number[]

export interface SdpSessionOptions {
  readonly door: 'whip' | 'whep'
  readonly streamId: string
  /** The maker of the session; null where the maker proved no identity. */
  readonly owner: string | null
  /** Whether the maker has no token. Such a maker may still have the ticket of a contract, and so be the owner. */
  readonly anonymous: boolean
  readonly offer: Offer
  readonly media: SessionMedia
  /** The client said that it is done. Resolves when everything is given back. */
  readonly left: () => Promise<void>
  /** The client restarted ICE. */
  readonly restarted: () => void
  /** The session is over, whoever ended it. */
  readonly ended: () => void
}

/**
 * One WHIP or WHEP session at its URL: trickle ICE, ICE restarts, and an end (RFC 9725 sections 4.2 to 4.4). The
 * session's id is a secret. A caller who knows the id and is the maker may change the session.
 */
export class SdpSession implements Disposable {
  readonly id = randomBytes(24).toString('base64url')
  readonly door: 'whip' | 'whep'
  readonly streamId: string
  readonly owner: string | null
  readonly anonymous: boolean
  readonly #media: SessionMedia
  readonly #mid: string
  readonly #left: () => Promise<void>
  readonly #restarted: () => void
  readonly #ended: () => void
  readonly #connecting: NodeJS.Timeout
  #remote: Offer['ice']
  #generation = 1
  #changes: Promise<unknown> = Promise.resolve()
  #over = false

  constructor(
    { door, streamId, owner, anonymous, offer, media, left, restarted, ended }: SdpSessionOptions,
    connectWithinMs = CONNECT_WITHIN_MS,
  ) {
    this.door = door
    this.streamId = streamId
    this.owner = owner
    this.anonymous = anonymous
    this.#media = media
    this.#remote = offer.ice
    this.#mid = offer.sections.find(({ mid }) => mid !== null)?.mid ?? '0'
    this.#left = left
    this.#restarted = restarted
    this.#ended = ended
    this.#connecting = setTimeout(() => {
      if (!this.connected) this[Symbol.dispose]()
    }, connectWithinMs).unref()
  }

  /** Counts ICE restarts from 1; the value of the entity tag. */
  get generation(): number {
    return this.#generation
  }

  /** Whether the client is connected. */
  get connected(): boolean {
    return this.#media.transport.dtlsState === 'connected'
  }

  get over(): boolean {
    return this.#over
  }

  /**
   * Takes candidates of the current ICE session, or restarts ICE (`*`).
   * @returns the hub's end as an SDP fragment after a restart, else null
   * @throws CodedError `bad_sdp` (400), `ice_session_mismatch` (412), `session_not_found` (404)
   */
  patch(fragment: string, tags: IceTags): Promise<string | null> {
    const changed = this.#changes.then(() => this.#patch(fragment, tags))
    this.#changes = changed.catch(() => {})
    return changed
  }

  /** Ends the session at its client's wish. */
  async leave(): Promise<void> {
    this[Symbol.dispose]()
    await this.#left()
  }

  /** Ends the session with its transport. */
  [Symbol.dispose](): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#connecting)
    this.#media[Symbol.dispose]()
    this.#ended()
  }

  async #patch(text: string, tags: IceTags): Promise<string | null> {
    if (this.#over) throw sessionNotFound()
    if (tags !== '*' && !tags.includes(this.#generation))
      throw new CodedError('ice_session_mismatch', 'ICE has restarted meanwhile', {
        details: [`header If-Match: must be "${this.#generation}" for candidates, * for an ICE restart`],
      })
    const { credentials } = readIceFragment(text)
    const same = !credentials || credentials.usernameFragment === this.#remote.usernameFragment
    if (same) return null
    if (tags !== '*')
      throw badSdp(['a=ice-ufrag: is that of another ICE session: send If-Match: * to restart ICE'])
    await this.#media.transport.restartIce()
    this.#remote = credentials
    this.#generation += 1
    this.#restarted()
    return writeIceFragment(this.#media.transport, this.#mid)
  }
}

/** The same 404 whether there never was such a session, the session is over, or the session is somebody else's. */
export function sessionNotFound(): CodedError {
  return new CodedError('session_not_found', 'there is no such session')
}
