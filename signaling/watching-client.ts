import type { ViewingClient } from '../sfu/viewed-media.ts'
import type { ViewerListener } from '../sfu/viewer.ts'

/** The client that watches. A protoo client hears all of this, a WHEP client hears next to nothing. */
export interface WatchingClient extends ViewingClient, ViewerListener {
  /** Somebody is at the other end. Until then the client's places give way where there are too many. */
  readonly present: boolean
  /** The last contract of the client is over, and its media has stopped. */
  over(): void
  /** Something changed that a running move between workers depends on. */
  disturbed(): void
}
