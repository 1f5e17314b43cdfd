import { CodedError } from '../common/errors.ts'
import type { Watching } from './watching.ts'

/** How long media goes on without the connection that signalled it, ms. */
export const MEDIA_STAYS_MS = 15_000

interface Place {
  readonly watching: Watching
  /** The connection gives the viewing away, and closes; null while there is no connection. */
  release: (() => void) | null
  leaving: NodeJS.Timeout | undefined
}

/**
 * What viewers watch over protoo. A viewing outlives its connection for a while, so that a viewer whose network changed
 * finds it: the same transport with the same consumers.
 */
export class Viewings implements Disposable {
  readonly #staysMs: number
  readonly #places = new Map<Watching, Place>()

  /** @param staysMs how long media goes on without its connection, ms */
  constructor(staysMs: number = MEDIA_STAYS_MS) {
    this.#staysMs = staysMs
  }

  /** A connection has a viewing now. @param release called when another connection takes the viewing over */
  held(watching: Watching, release: () => void): void {
    const place = this.#places.get(watching)
    clearTimeout(place?.leaving)
    if (place) place.release = release
    else this.#places.set(watching, { watching, release, leaving: undefined })
  }

  /** The connection vanished. The viewing waits for the next connection, if it has media. */
  vanished(watching: Watching): void {
    const place = this.#places.get(watching)
    if (!place) return
    place.release = null
    if (!watching.away(() => this.#end(place))) return this.#end(place)
    place.leaving = setTimeout(() => this.#end(place), this.#staysMs).unref()
  }

  /** The viewing is over. */
  left(watching: Watching): void {
    this.#places.delete(watching)
  }

  /**
   * Takes a viewing from its lost connection, also where the hub has not noticed the loss.
   * @throws CodedError `unknown_transport` (404)
   */
  take(transportId: string, ticket: string): Watching {
    for (const place of this.#places.values()) {
      const { watching, release } = place
      if (watching.viewer?.end.id !== transportId || !watching.has(ticket)) continue
      place.release = null
      release?.()
      return watching
    }
    throw new CodedError('unknown_transport', 'that transport is gone: join again')
  }

  [Symbol.dispose](): void {
    for (const place of this.#places.values()) {
      clearTimeout(place.leaving)
      if (place.release === null) place.watching[Symbol.dispose]()
    }
    this.#places.clear()
  }

  #end({ watching, leaving }: Place): void {
    clearTimeout(leaving)
    this.#places.delete(watching)
    watching[Symbol.dispose]()
  }
}
