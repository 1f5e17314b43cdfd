import type { StreamState } from '../../common/wire/stream.ts'

/**
 * What a viewer sees, in one word: `connecting` until the first picture; `waiting`, `input_lost`, `refused` and
 * `ended` are the stream's (see `StreamState`); `live` pictures arrive, but for what is `muted` by the publisher, and with what is wrong on the way to the hub
 * (`disturbed`) or with the sound (`soundRefused`); `no_picture` sound does, the pictures stay away; `reconnecting` they did and the way to the
 * hub broke, the last picture stands. The others are answers of the hub, `reason` says why: `denied` this viewer may
 * not watch, with another token perhaps; `revoked` it might, and an operator ended it; `busy` there is no place now;
 * `failed` there is nothing to watch, or this page can't.
 */
export type ViewerState =
  | { readonly name: 'connecting' | 'waiting' | 'input_lost' | 'ended' }
  | {
      readonly name: 'live'
      readonly muted?: StreamState['muted']
      readonly disturbed?: string
      readonly soundRefused?: string
    }
  | {
      readonly name: 'refused' | 'no_picture' | 'reconnecting' | 'failed' | 'denied' | 'revoked' | 'busy'
      readonly reason: string
    }

/** What a viewer's state follows from. */
export interface ViewerFacts {
  /** What stands in the way until a contract is granted; null when nothing does but the way itself. */
  readonly trouble: ViewerState | null
  /** What the hub said last under the contract of now; null without one. */
  readonly stream: StreamState | null
  /** Whether the transport of now has delivered media. */
  readonly delivering: boolean
  /** Whether this viewer has ever been told the stream's state. */
  readonly everJoined: boolean
  /** Whether media that was delivered broke off on the way here, and has not come back. */
  readonly interrupted: boolean
  /** Why the last connection ended. */
  readonly lastClosing: string
}

export function viewerState(facts: ViewerFacts): ViewerState {
  if (facts.trouble !== null) return facts.trouble
  const { stream } = facts
  if (stream === null) {
    return facts.everJoined ? { name: 'reconnecting', reason: facts.lastClosing } : { name: 'connecting' }
  }
  if (stream.state === 'refused' || stream.state === 'no_picture') {
    return { name: stream.state, reason: stream.reason ?? 'the server gave no reason' }
  }
  if (stream.state !== 'live') return { name: stream.state }
  const { muted, disturbed, sound_refused: soundRefused } = stream
  const notes = {
    ...(muted && { muted }),
    ...(disturbed !== undefined && { disturbed }),
    ...(soundRefused !== undefined && { soundRefused }),
  }
  // Of what is switched off there is nothing to wait for.
  if (facts.delivering || muted?.includes('video')) return { name: 'live', ...notes }
  return facts.interrupted ? { name: 'reconnecting', reason: facts.lastClosing } : { name: 'connecting' }
}
