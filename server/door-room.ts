import type { types } from 'mediasoup'
import type { MediaEvents } from '../sfu/media-events.ts'
import { PayloadRouters } from '../sfu/payload-routers.ts'
import type { ViewerMover } from '../sfu/viewer-mover.ts'
import { DetourDoor } from '../signaling/detour/detour-door.ts'
import { ProtooGateway } from '../signaling/protoo-gateway.ts'
import { SdpSessions } from '../signaling/sdp/sdp-sessions.ts'
import { Viewings } from '../signaling/viewings.ts'
import { DoorTickets } from './api/doors/door-tickets.ts'
import { whepRoutes } from './api/doors/whep.ts'
import { whipRoutes } from './api/doors/whip.ts'
import type { Route } from './api/route.ts'
import { clientAddressBy } from './client-address.ts'
import type { Doors } from './doors.ts'
import type { FlowRoom } from './flow-room.ts'
import { DetourPlaces } from './flows/detour-places.ts'
import type { Metrics } from './metrics.ts'
import type { PolicyBook } from './policies/policy-book.ts'

export interface DoorRoomOptions {
  readonly flows: Pick<FlowRoom, 'routes' | 'viewers' | 'publishers' | 'places'>
  readonly events: MediaEvents
  readonly routerCapabilities: () => types.RtpCapabilities
  readonly trustedProxies: readonly string[]
  readonly policies: Pick<PolicyBook, 'effective'>
  /** Address that RIST ports listen on. */
  readonly ristIp: string
  readonly metrics: Pick<Metrics, 'detourBytes' | 'detourDrops'>
  /** Most connections of each door at once. */
  readonly maxConnections: number
  /** Moves viewers between workers; null where none are moved. */
  readonly mover: ViewerMover | null
  /** The table of doors. */
  readonly doors: Pick<Doors, 'add'>
  /** Whether a stream shows one of several others; left out where there are none. */
  readonly isSwitched?: (tenantId: string, streamId: string) => boolean
  /** Sessions whose client does not connect end after this time, ms; 30 000 by default. */
  readonly connectWithinMs?: number
}

/** The routes of WHIP and WHEP, and what they share. */
export interface DoorRoom extends Disposable {
  readonly routes: readonly Route[]
  readonly tickets: DoorTickets
  readonly sessions: Pick<SdpSessions, 'size'>
}

/** Senders at once whose RIST comes over WebSockets: 50 of 6 Mb/s would take a third of the hub's event loop. */
const MAX_DETOURS = 50

/** The codecs that every field stream and every switched stream will have: other codecs are refused at the input. */
const FIELD_CODECS = { audio: 'audio/opus', video: 'video/H264' } as const

/** Opens the doors: protoo for our own pages, WHIP and WHEP for other clients. */
export function openDoors(options: DoorRoomOptions): DoorRoom {
  const { flows, events, metrics, routerCapabilities, maxConnections, mover, doors, connectWithinMs } =
    options
  const stack = new DisposableStack()
  const { publishers, viewers, places } = flows
  const routers = stack.use(new PayloadRouters())
  const sessions = stack.use(new SdpSessions(maxConnections, connectWithinMs))
  doors.add({
    upgrades: null,
    get connections() {
      return sessions.size
    },
    get inUse() {
      return sessions.inUse
    },
    // A session holds no connection.
    turnOut: () => false,
    [Symbol.dispose]: () => sessions[Symbol.dispose](),
  })
  doors.add(
    new ProtooGateway({
      maxConnections,
      addressOf: clientAddressBy(options.trustedProxies),
      door: {
        viewers: { admission: viewers, ...(mover && { mover }) },
        viewings: stack.use(new Viewings()),
        publishers: places,
        events,
        routerCapabilities,
        directAllowed: (tenantId) => options.policies.effective(tenantId).lanDirect,
      },
    }),
  )
  doors.add(
    new DetourDoor({
      admission: new DetourPlaces({ flows: publishers, ristIp: options.ristIp }),
      maxConnections: Math.min(MAX_DETOURS, maxConnections),
      events,
      count: (what, amount) => {
        if (what === 'dropped') metrics.detourDrops.inc(amount)
        else metrics.detourBytes.inc({ direction: what }, amount)
      },
    }),
  )
  const tickets = new DoorTickets((text) =>
    publishers.ofTicket(text) === undefined ? viewers.ofTicket(text)?.holder : { anonymous: false },
  )
  const shared = { sessions, tickets, flows: flows.routes }
  return {
    routes: [
      ...whipRoutes({
        ...shared,
        whip: { admission: places, events },
        isTaken: (contractId) => places.isTaken(contractId),
        routerCapabilities,
        onError: (error) => events.error('whip', 'contract', error),
      }),
      ...whepRoutes({
        ...shared,
        whep: {
          admission: viewers,
          events,
          routers,
          routerCapabilities,
          expectedCodecs: ({ spec }) => {
            const { tenantId, streamId } = spec
            const flow = publishers.ofStream(tenantId, streamId)
            const isKnown = flow?.contract.transport === 'rist' || options.isSwitched?.(tenantId, streamId)
            return isKnown === true ? FIELD_CODECS : null
          },
        },
      }),
    ],
    tickets,
    sessions,
    [Symbol.dispose]: () => stack.dispose(),
  }
}
