import type { StreamState } from '../../common/wire/stream.ts'
import type { HubNotifications } from '../../common/wire/viewer-protocol.ts'

/**
 * What a viewer sees, in one word. `connecting`: until the first picture. `waiting`, `input_lost`, `refused`, `ended`:
 * the stream's own states (see `StreamState`). With `slate`, `input_lost` has a
 * picture, which says so. `live`: pictures arrive, except what the publisher has `muted`;
 * `disturbed` and `soundRefused` say what is wrong with pictures on the way to the hub, or with the sound, and `reduced`
 * why the picture is smaller than usual.
 * `no_picture`: sound arrives, pictures do not. `unplayable`: this browser has no decoder for the picture and plays the
 * sound alone, if there is sound; the picture comes by itself once the browser has a decoder. `reconnecting`: the
 * connection to the hub broke; the last picture stays. The other states are answers of the hub, with a `reason`.
 * `denied`: this viewer may not watch; another token may help. `revoked`: an operator ended it. `busy`: there is no
 * place now. `failed`: there is nothing to watch, or this page can't.
 */
export type ViewerState =
  | {
      readonly name: 'connecting'
      /** Where the sender makes no keyframes on request: the longest time until the first picture, ms. */
      readonly pictureWithinMs?: number
    }
  | { readonly name: 'waiting' | 'ended' }
  | { readonly name: 'input_lost'; readonly slate?: true }
  | ({ readonly name: 'unplayable'; readonly reason: string } & UndecodablePicture)
  | {
      readonly name: 'live'
      readonly muted?: StreamState['muted']
      readonly disturbed?: string
      readonly soundRefused?: string
      readonly reduced?: string
    }
  | {
      readonly name: 'refused' | 'no_picture' | 'reconnecting' | 'failed' | 'denied' | 'revoked' | 'busy'
      readonly reason: string
    }

export interface UndecodablePicture {
  /** Codec of the picture, for instance `H264`. */
  readonly codec: string
  /** Whether there is sound, which plays. */
  readonly sound: boolean
}

/** The facts that decide a viewer's state. */
export interface ViewerFacts {
  /** What prevents watching until a contract is granted; null when nothing does but the connection itself. */
  readonly trouble: ViewerState | null
  /** What the hub said last under the present contract; null without a contract. */
  readonly stream: StreamState | null
  /** Whether the present transport has delivered media. */
  readonly delivering: boolean
  /** Whether this viewer has ever been told the stream's state. */
  readonly everJoined: boolean
  /** Whether media came before, broke off on the way here, and has not come back. */
  readonly interrupted: boolean
  /** Why the last connection ended. */
  readonly lastClosing: string
  /** The picture, if this browser has no decoder for it. */
  readonly undecodable: UndecodablePicture | null
  /** Time between keyframes, ms, where the sender makes none on request; null where nobody knows. */
  readonly keyframeEveryMs: number | null
}

/** A shorter wait for a keyframe is not mentioned, ms. */
const LONG_WAIT_MS = 2_000

/** The picture among the tracks for which the browser has no decoder; null where it is not among them. */
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
  if (stream.state === 'input_lost' && stream.slate === true && facts.delivering)
    return { name: 'input_lost', slate: true }
  if (stream.state !== 'live') return { name: stream.state }
  if (facts.undecodable !== null) {
    const { codec } = facts.undecodable
    return { name: 'unplayable', reason: `this browser can’t decode ${codec}`, ...facts.undecodable }
  }
  const { muted, disturbed, reduced, sound_refused: soundRefused } = stream
  const notes = {
    ...(muted && { muted }),
    ...(disturbed !== undefined && { disturbed }),
    ...(soundRefused !== undefined && { soundRefused }),
    ...(reduced !== undefined && { reduced }),
  }
  // A muted picture is not waited for.
  if (facts.delivering || muted?.includes('video')) return { name: 'live', ...notes }
  if (facts.interrupted) return { name: 'reconnecting', reason: facts.lastClosing }
  const { keyframeEveryMs } = facts
  return keyframeEveryMs !== null && keyframeEveryMs > LONG_WAIT_MS
    ? { name: 'connecting', pictureWithinMs: keyframeEveryMs }
    : { name: 'connecting' }
}
