import type { types } from 'mediasoup-client'
import type { StreamState } from '../../common/wire/stream.ts'
import type { HubNotifications, View, WatchedStream } from '../../common/wire/viewer-protocol.ts'
import type { ArrivingStream } from './arrival-poll.ts'
import type { MediaSession } from './media-session.ts'
import type { Awaited } from './moving-media.ts'

/** The watcher of one stream, by one contract on a connection. */
export interface StreamWatcher {
  /** The ticket of the present contract. A renewal changes it. */
  readonly ticket: string
  readonly contractId: string
  /** Whether the hub has said what there is to watch by the contract. */
  readonly everJoined: boolean
  readonly view: View
  /** The stream to watch closely for a queue in front of the link; null where nothing less could be sent. */
  readonly arriving: ArrivingStream | null
  /** The stream has media here, on this or on a new transport. Resolves once the media is consumed. */
  joined(media: MediaSession, watched: WatchedStream): Promise<void>
  /** Another connection has taken over, and the media goes on as the hub says. */
  resumed(watched: WatchedStream): Promise<void>
  /** Whether media of the stream must arrive now. */
  readonly expects: boolean
  /** When its last picture or sound came, by the browser's clock, ms; null where that is unknown. */
  readonly shownAt: number | null
  /** Nothing arrives over the transport, with the reason; null once it does again. */
  pathIs(lost: string | null): void
  /** What must arrive over another transport before the page can show it from there. */
  readonly awaited: Awaited
  /** The stream's media now comes over another transport, and is arriving already. */
  moved(media: MediaSession, consumers: readonly types.Consumer[]): void
  /** This media will not go on; null where there was none yet. */
  retired(reason: string): void
  consume(consumer: Parameters<MediaSession['consume']>[0][number]): Promise<void>
  streamIs(data: StreamState): void
  consumerClosed(data: HubNotifications['consumer-closed']): void
  consumerLayer(data: HubNotifications['consumer-layer']): void
  pictureIs(data: HubNotifications['picture']): void
  unplayableIs(data: HubNotifications['unplayable']): void
  captureClock(data: HubNotifications['capture-clock']): void
  abrChanged(data: HubNotifications['abr-changed']): void
  data(data: HubNotifications['data']): void
  contractEnded(reason: HubNotifications['contract-ended']['reason']): void
}
