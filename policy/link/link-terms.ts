import type { ViewedStream } from '../viewed-stream.ts'
import type { PileUp } from './queue.ts'
import type { DeliveryReport } from './reported-bandwidth.ts'
import type { Share } from './share-bandwidth.ts'

/** One of the streams on a viewer's link, and what is sent of it now. */
export interface LinkStream extends ViewedStream {
  /** Whether the receiver takes the picture as soon as it is sent. */
  readonly ready: boolean
  /** The layers that the worker forwards; the lowest where it forwards none. */
  readonly layer: { readonly spatial: number; readonly temporal: number }
  /** Whether its sound is sent. */
  readonly sound: boolean
  /** How well the picture is received, 0 to 10 (mediasoup's score of a consumer); null while nobody knows. */
  readonly score: number | null
}

/** How a viewer's link looks when a fact comes. */
export interface LinkSeen {
  readonly nowMs: number
  /** Whether the receiver is connected. */
  readonly connected: boolean
  /** Whether the worker estimates what the link carries. */
  readonly estimates: boolean
  readonly streams: readonly LinkStream[]
}

/** What a stream gets. */
export type GivenShare = Omit<Share, 'memory'>

/** Something that happened to a link; rates in kb/s. */
export type LinkFact =
  /** The worker estimates what the link carries, with sound. */
  | { readonly kind: 'estimated'; readonly availableKbps: number; readonly limitKbps: number }
  /** The receiver reported how the pictures of the last `passedMs` arrived: what the link carries is estimated from that. */
  | { readonly kind: 'delivered'; readonly report: DeliveryReport; readonly passedMs: number }
  /** The viewer's page sees pictures pile up in front of its link. */
  | ({ readonly kind: 'piled_up' } & PileUp)
  /** The viewer's page told what it sees: it would tell of a queue in front of its link, too. */
  | { readonly kind: 'heard' }
  /** Streams, their bitrates, terms or scores changed, or it is time to look again. */
  | { readonly kind: 'changed' }

/** What is to be done to a link; rates in kb/s. */
export type LinkAction =
  /** The estimate never gets above this. */
  | { readonly do: 'ceiling'; readonly kbps: number }
  /** The estimate does not fall below this; 0 lets it fall. */
  | { readonly do: 'keep'; readonly kbps: number }
  /** A stream gets its share. `priority` (1 to 255) is for what the worker decides itself. */
  | {
      readonly do: 'take'
      readonly id: string
      readonly share: GivenShare
      readonly priority: number
    }
  /** The estimate is held between these. */
  | { readonly do: 'pin'; readonly minKbps: number; readonly maxKbps: number }
  /** Stops the layer that is sent now, until the next keyframe. The queue in front of the link drains in `drainingMs`. */
  | { readonly do: 'cut'; readonly id: string; readonly drainingMs: number }
  /** Nothing needs to be found out: only the ceiling bounds the estimate. */
  | { readonly do: 'open' }
  /** A short burst at `goalKbps`, more than the `estimateKbps` told last: what gets through is the new estimate. */
  | { readonly do: 'probe'; readonly goalKbps: number; readonly estimateKbps: number }
  /** Send the fact `changed` after this time at the latest, ms. This `look` replaces an earlier `look`. */
  | { readonly do: 'look'; readonly afterMs: number }
