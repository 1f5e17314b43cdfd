import type { StreamState } from '../../common/wire/stream.ts'
import type { HubNotifications } from '../../common/wire/viewer-protocol.ts'

/**
 * What a viewer sees, in one word: `connecting` until the first picture; `waiting`, `input_lost`, `refused` and
 * `ended` are the stream's (see `StreamState`); `live` pictures arrive, but for what is `muted` by the publisher, and with
 * what is wrong on the way to the hub (`disturbed`) or with the sound (`soundRefused`); `no_picture` sound does, the
 * pictures stay away; `unplayable` this browser has no decoder for the picture, and plays the sound alone where there is
 * some: the picture comes by itself as soon as the browser has one; `reconnecting` they did and the way to the hub broke,
 * the last picture stands. The others are answers of the hub, `reason` says why: `denied` this viewer may
 * not watch, with another token perhaps; `revoked` it might, and an operator ended it; `busy` there is no place now;
 * `failed` there is nothing to watch, or this page can't.
 */
export type ViewerState =
  | {
      readonly name: 'connecting'
      /** Where the sender makes keyframes in its own time alone: the longest that the first picture may take, ms. */
      readonly pictureWithinMs?: number
    }
  | { readonly name: 'waiting' | 'input_lost' | 'ended' }
  | ({ readonly name: 'unplayable'; readonly reason: string } & UndecodablePicture)
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

export interface UndecodablePicture {
  /** Of the picture, as `H264`. */
  readonly codec: string
  /** Whether there is sound, which plays. */
  readonly sound: boolean
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
  /** The picture, where this browser has no decoder for it. */
  readonly undecodable: UndecodablePicture | null
  /** How far apart keyframes come, ms, where the sender makes none when it is asked; null where nobody knows. */
  readonly keyframeEveryMs: number | null
}

/** A shorter wait for a keyframe needs no words, ms. */
const LONG_WAIT_MS = 2_000

/** The picture among the tracks that a browser has no decoder for; null where there is none. */
export function undecodablePicture(
  unplayable: HubNotifications['unplayable']['tracks'],
  sound: boolean,
): UndecodablePicture | null {
  const video = unplayable.find(({ kind }) => kind === 'video')
  return video ? { codec: video.mime_type.replace('video/', ''), sound } : null
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
  if (facts.undecodable !== null) {
    const { codec } = facts.undecodable
    return { name: 'unplayable', reason: `this browser can’t decode ${codec}`, ...facts.undecodable }
  }
  const { muted, disturbed, sound_refused: soundRefused } = stream
  const notes = {
    ...(muted && { muted }),
    ...(disturbed !== undefined && { disturbed }),
    ...(soundRefused !== undefined && { soundRefused }),
  }
  // Of what is switched off there is nothing to wait for.
  if (facts.delivering || muted?.includes('video')) return { name: 'live', ...notes }
  if (facts.interrupted) return { name: 'reconnecting', reason: facts.lastClosing }
  const { keyframeEveryMs } = facts
  return keyframeEveryMs !== null && keyframeEveryMs > LONG_WAIT_MS
    ? { name: 'connecting', pictureWithinMs: keyframeEveryMs }
    : { name: 'connecting' }
}
