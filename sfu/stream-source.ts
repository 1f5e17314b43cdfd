import type { types } from 'mediasoup'
import type { DirectAnswer } from '../common/wire/direct.ts'
import type { LaneClockState } from '../common/wire/lane-ipc.ts'
import type { LinkArrivals } from '../common/wire/link-arrivals.ts'
import type { LayerDemand } from '../common/wire/publisher-protocol.ts'
import type { StreamState } from '../common/wire/stream.ts'
import type { CaptureClock } from '../common/wire/viewer-protocol.ts'
import type { PictureSize } from '../policy/viewed-stream.ts'
import type { WorkerSlot } from './worker-pool.ts'

export type { CaptureClock }

/** A stream's media inside the SFU: its producers, video first, on one worker. */
export interface SourceMedia {
  readonly slot: WorkerSlot
  /** A change of any producer gives a new array. */
  readonly producers: readonly types.Producer[]
}

/** Where a stream's media comes from: a field sender's ingress, or a publisher over WebRTC. The stream closes it. */
export interface StreamSource extends AsyncDisposable {
  /** The source's producers now; null while there are none. */
  readonly media: SourceMedia | null
  /** What arrives from the publisher, where that is not `media` itself: its link is measured there. */
  readonly arriving?: readonly types.Producer[]
  /** Sizes of the pictures by spatial layer, ascending; left out where nobody knows them. */
  readonly pictures?: readonly PictureSize[]
  /** The clock of the source's lane; left out where the stream's published lane has it. */
  readonly clock?: LaneClockState
  /** The source does not know its layers yet. Until it does, the publisher sends all of them. */
  readonly learning?: boolean
  /** RTCP, on the media's own way back, tells the source that a keyframe is needed. */
  readonly answersKeyframes?: boolean
  /** Time between keyframes that come unasked, ms; left out or null where nobody knows. */
  readonly keyframeEveryMs?: number | null
  /** A dead worker's successor is up. The source rebuilds what lived there, if it can do so by itself. */
  workerReplaced(): void
  /** What viewers consume has changed. */
  demanded(demand: LayerDemand): void
  [Symbol.asyncDispose](): Promise<void>
}

/** What a source tells its stream. A replaced source can no longer change its stream. */
export interface SourceHost {
  /** The worker for the source; undefined while none is up. */
  home(): WorkerSlot | undefined
  readonly state: StreamState
  setState(state: StreamState): void
  /** The producers changed. Watchers must consume again. */
  mediaChanged(): void
  /** `learning` has changed. */
  learningChanged(): void
  /** An IDR is needed: of one rendition (0 is the smallest), or of all. */
  keyframeRequested(rendition: number | null): void
  captured(clock: CaptureClock): void
  /** What has arrived on the links of a field sender. */
  arrived(arrivals: LinkArrivals): void
}

/** A sender that serves viewers of its own network itself. */
export interface DirectSender {
  /** Where its control connection comes from; null where nobody knows. */
  readonly address: string | null
  /** Takes a viewer's session description to the sender. @throws CodedError `direct_unavailable` */
  offer(viewer: string, sdp: string): Promise<DirectAnswer>
  leave(viewer: string): void
}

/** The publisher at the other end, if it can be told what is wanted. None of these may throw. */
export interface PublisherControl {
  /** The publisher makes an IDR on request. */
  readonly answersKeyframes: boolean
  /** null: it sends to the hub alone. */
  readonly direct: DirectSender | null
  /** Somebody needs an IDR of one rendition (0 is the smallest), or of all. */
  requestKeyframe(rendition: number | null): void
  demanded(demand: LayerDemand): void
  viewersChanged(count: number): void
  stateChanged(state: StreamState): void
  /** What has arrived on a field sender's links. */
  arrived(arrivals: LinkArrivals): void
}
