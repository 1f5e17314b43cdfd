import type { types } from 'mediasoup'
import type { LayerDemand } from '../common/wire/publisher-protocol.ts'
import type { StreamState } from '../common/wire/stream.ts'
import type { CaptureClock } from '../common/wire/viewer-protocol.ts'
import type { PictureSize } from '../policy/viewed-stream.ts'
import type { WorkerSlot } from './worker-pool.ts'

export type { CaptureClock }

/** A stream's media inside the SFU: its producers, video first, on one worker. */
export interface SourceMedia {
  readonly slot: WorkerSlot
  /** The array is another one whenever a producer is. */
  readonly producers: readonly types.Producer[]
}

/** Where a stream's media comes from: a field sender's ingress, or a publisher over WebRTC. The stream closes it. */
export interface StreamSource extends AsyncDisposable {
  /** Its producers now; null while there are none. */
  readonly media: SourceMedia | null
  /** What arrives from the publisher, where that is not `media` itself: its link is measured there. */
  readonly arriving?: readonly types.Producer[]
  /** Sizes of the pictures by spatial layer, ascending; left out where nobody knows. */
  readonly pictures?: readonly PictureSize[]
  /** It has yet to find out which layers there are: meanwhile all of them are to be sent. */
  readonly learning?: boolean
  /** Its media's own way back, RTCP, tells it that a keyframe is needed. */
  readonly answersKeyframes?: boolean
  /** How far apart its keyframes come by themselves, ms; left out or null where nobody knows. */
  readonly keyframeEveryMs?: number | null
  /** A dead worker's successor is up: what lived there is made anew, where the source can do so by itself. */
  workerReplaced(): void
  /** What viewers consume now changed. */
  demanded(demand: LayerDemand): void
  [Symbol.asyncDispose](): Promise<void>
}

/** What a source tells its stream. Of a source that was replaced nothing is heard any more. */
export interface SourceHost {
  /** The worker to be on; undefined while none is up. */
  home(): WorkerSlot | undefined
  readonly state: StreamState
  setState(state: StreamState): void
  /** `media` is another one now: whoever watches consumes anew. */
  mediaChanged(): void
  /** `learning` is another now. */
  learningChanged(): void
  /** An IDR is needed: of one rendition (0 is the smallest), or of all. */
  keyframeRequested(rendition: number | null): void
  captured(clock: CaptureClock): void
}

/** The publisher at the other end, where it can be told what is wanted of it. None of these may throw. */
export interface PublisherControl {
  /** It makes an IDR when it is asked for one. */
  readonly answersKeyframes: boolean
  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all. */
  requestKeyframe(rendition: number | null): void
  demanded(demand: LayerDemand): void
  viewersChanged(count: number): void
  stateChanged(state: StreamState): void
}
