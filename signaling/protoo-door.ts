import type { EventEmitter } from 'node:events'
import type { types } from 'mediasoup'
import type { Peer, ProtooNotification, ProtooRequest } from 'protoo-server'
import type { MediaEvents } from '../sfu/media-events.ts'
import type { PublisherAdmission } from './publisher-admission.ts'
import { PublisherSession } from './publisher-session.ts'
import type { ViewerAdmission } from './viewer-admission.ts'
import { ViewerSession, type ViewerSessionDependencies } from './viewer-session.ts'
import type { Viewings } from './viewings.ts'

/** A connection that says nothing for this long is closed. */
const SPEAK_WITHIN_MS = 15_000

export interface DoorDependencies {
  readonly viewers: Omit<ViewerSessionDependencies, 'events' | 'viewings' | 'direct'>
  readonly viewings: Viewings
  readonly publishers: PublisherAdmission
  readonly events: MediaEvents
  /** Whether a tenant's policy allows that viewers get media from a sender itself. */
  readonly directAllowed: (tenantId: string) => boolean
  /** What every router of the hub can forward; all routers are alike. */
  readonly routerCapabilities: () => types.RtpCapabilities
}

/**
 * Welcomes a connection. Its first message decides whose it is: `publish` is a publisher's, everything else a viewer's.
 * @param address where the connection comes from; null where nobody knows
 * @param admitted called when the connection showed a good ticket; until then it is nobody's. `anonymous` where the
 * ticket was granted to somebody without a token.
 */
export function welcome(
  peer: Peer,
  { viewers, viewings, publishers, events, routerCapabilities, directAllowed }: DoorDependencies,
  address: string | null,
  admitted: (anonymous: boolean) => void,
): void {
  const noting = <Args extends readonly unknown[], Place>(
    admit: (...args: Args) => Place,
    isAnonymous: (place: Place) => boolean,
  ) => ({
    admit: (...args: Args): Place => {
      const place = admit(...args)
      admitted(isAnonymous(place))
      return place
    },
  })
  const open = (method: string) =>
    method === 'publish'
      ? new PublisherSession(peer, {
          address,
          admission: {
            ...noting(
              (...args: Parameters<PublisherAdmission['admit']>) => publishers.admit(...args),
              () => false,
            ),
            look: (ticket, publisherId) => publishers.look(ticket, publisherId),
          },
          events,
        })
      : new ViewerSession(peer, {
          ...viewers,
          admission: noting(
            (...args: Parameters<ViewerAdmission['admit']>) => viewers.admission.admit(...args),
            ({ anonymous }) => anonymous,
          ),
          direct: { address, allowed: directAllowed },
          viewings: {
            held: (...held) => viewings.held(...held),
            vanished: (watching) => viewings.vanished(watching),
            left: (watching) => viewings.left(watching),
            take: (transportId, ticket) => {
              const watching = viewings.take(transportId, ticket)
              admitted(watching.anonymous)
              return watching
            },
          },
          events,
        })
  const timer = setTimeout(() => peer.close(), SPEAK_WITHIN_MS)
  let first = true
  const decide = (method: string): boolean => {
    if (!first) return false
    first = false
    clearTimeout(timer)
    open(method)
    return true
  }
  // A peer is an emitter, though its types do not say so.
  const messages = peer as Peer & EventEmitter
  // The session listens by now, and has not heard the message for which it was made.
  messages.once('request', (request: ProtooRequest, accept: unknown, reject: unknown) => {
    if (decide(request.method)) messages.emit('request', request, accept, reject)
  })
  messages.once('notification', (notification: ProtooNotification) => {
    if (decide(notification.method)) messages.emit('notification', notification)
  })
  messages.once('close', () => clearTimeout(timer))
  const capabilities = { ...routerCapabilities() }
  peer
    .notify('welcome', {
      router_rtp_capabilities: capabilities,
      moves: viewers.mover !== undefined,
      paths: true,
    })
    .catch(() => {})
}
