import type { StreamState } from '../../common/wire/stream.ts'

/**
 * What a publisher sees, in one word: `connecting` until the hub takes its media; `starting` it does, and none has
 * arrived yet; `live` it arrives; `lost` it did and does not now; `reconnecting` the way to the hub broke. The others
 * are answers of the hub, `reason` says why: `denied` this publisher may not, with another token perhaps; `taken`
 * somebody else publishes the stream; `revoked` an operator ended it; `busy` there is no place now; `failed` this page
 * or the hub can't. `closed` it was stopped here.
 */
export type PublisherState =
  | { readonly name: 'connecting' | 'starting' | 'live' | 'lost' | 'closed' }
  | {
      readonly name: 'reconnecting' | 'denied' | 'taken' | 'revoked' | 'busy' | 'failed'
      readonly reason: string
    }

/** What a publisher's state follows from while nothing refuses it. */
export interface PublisherFacts {
  readonly closed: boolean
  /** What stands in the way; null when nothing does but the way itself. */
  readonly trouble: PublisherState | null
  /** What the hub said last on the connection of now; null without one. */
  readonly stream: StreamState | null
  readonly everPublished: boolean
  /** Why the last connection ended. */
  readonly lastClosing: string
}

export function publisherState(facts: PublisherFacts): PublisherState {
  if (facts.closed) return { name: 'closed' }
  if (facts.trouble !== null) return facts.trouble
  if (facts.stream === null)
    return facts.everPublished ? { name: 'reconnecting', reason: facts.lastClosing } : { name: 'connecting' }
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
