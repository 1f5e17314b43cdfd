import type { StreamState } from '../../common/wire/stream.ts'

/**
 * What a publisher sees, in one word. `connecting`: until the hub takes its media. `starting`: the hub does, and no
 * media has arrived yet. `live`: media arrives. `lost`: media arrived before and does not now. `reconnecting`: the
 * connection to the hub broke. The other states are answers of the hub, with a `reason`. `denied`: this publisher may
 * not publish; another token may help. `taken`: somebody else publishes the stream. `revoked`: an operator ended it.
 * `busy`: there is no place now. `failed`: this page or the hub can't do it. `closed`: this page stopped.
 */
export type PublisherState =
  | { readonly name: 'connecting' | 'starting' | 'live' | 'lost' | 'closed' }
  | {
      readonly name: 'reconnecting' | 'denied' | 'taken' | 'revoked' | 'busy' | 'failed'
      readonly reason: string
    }

/** The facts that decide a publisher's state while nothing refuses it. */
export interface PublisherFacts {
  readonly closed: boolean
  /** What prevents publishing; null when nothing does but the connection itself. */
  readonly trouble: PublisherState | null
  /** What the hub said last on the present connection; null without a connection. */
  readonly stream: StreamState | null
  readonly everPublished: boolean
  /** Why the last connection ended. */
  readonly lastClosing: string
  /** Why what is sent does not arrive, where that is known; null where nothing is wrong. */
  readonly pathLost: string | null
}

export function publisherState(facts: PublisherFacts): PublisherState {
  if (facts.closed) return { name: 'closed' }
  if (facts.trouble !== null) return facts.trouble
  if (facts.stream === null)
    return facts.everPublished ? { name: 'reconnecting', reason: facts.lastClosing } : { name: 'connecting' }
  if (facts.pathLost !== null) return { name: 'reconnecting', reason: facts.pathLost }
  switch (facts.stream.state) {
    case 'live':
    case 'no_picture':
      return { name: 'live' }
    case 'waiting':
      return { name: 'starting' }
    case 'refused':
      return { name: 'failed', reason: facts.stream.reason ?? 'the server gave no reason' }
    default:
      return { name: 'lost' }
  }
}
