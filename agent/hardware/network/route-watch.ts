import type { Logger } from '../../../common/logger.ts'
import { dumpRequest, messagesIn, NLMSG_DONE, NLMSG_ERROR } from '../netlink/netlink-message.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../netlink/netlink-socket.ts'
import {
  type DefaultRoute,
  type Link,
  type LinkAddress,
  parseAddress,
  parseDefaultRoutes,
  parseLink,
  parseQdisc,
  type Qdisc,
} from './network-state.ts'

/** Groups of linux/rtnetlink.h: links, queueing disciplines, addresses and routes of IPv4 and IPv6. */
const GROUPS = 0x1 | 0x8 | 0x10 | 0x40 | 0x100 | 0x400
const RTM_NEWLINK = 16
const RTM_NEWADDR = 20
const RTM_NEWROUTE = 24
const RTM_NEWQDISC = 36
/** Each request is two above what it brings, with a structure of this size. */
const WANTED = [
  { brings: RTM_NEWLINK, bytes: 16 },
  { brings: RTM_NEWADDR, bytes: 8 },
  { brings: RTM_NEWROUTE, bytes: 12 },
  { brings: RTM_NEWQDISC, bytes: 20 },
] as const
/** Interfaces, addresses and routes that are looked at. A device in the field has a dozen of each. */
const MOST = 256
/** Dumps in a row that were interrupted by changes, before the last one has to do. */
const TRIES = 5

export interface NetworkState {
  readonly links: readonly Link[]
  readonly addresses: readonly LinkAddress[]
  readonly routes: readonly DefaultRoute[]
  /** The root of an interface comes before what is below it. */
  readonly qdiscs: readonly Qdisc[]
}

export const NO_NETWORK: NetworkState = { links: [], addresses: [], routes: [], qdiscs: [] }

/**
 * Hears from the kernel when interfaces, addresses or routes of this process's network namespace change (rtnetlink(7)),
 * and reads them. Events say when to look, the look says what is: an event that got lost costs nothing.
 */
export class RouteWatch implements Disposable {
  readonly #events: NetlinkSocket
  readonly #logger: Logger

  /** @param changed called for each burst of events @throws Error where the kernel gives no socket */
  constructor(logger: Logger, changed: () => void) {
    this.#logger = logger
    this.#events = NetlinkSocket.open(NETLINK_ROUTE, GROUPS)
    this.#events.watch(() => {
      while (this.#events.receive() !== null);
      changed()
    })
  }

  /** Takes less than a millisecond. @throws Error where the kernel refuses */
  read(): NetworkState {
    const [links, addresses, routes, qdiscs] = WANTED.map(({ brings, bytes }) => this.#dump(brings, bytes))
    const known = <Fact>(facts: readonly (Fact | null)[]): readonly Fact[] =>
      facts.filter((fact) => fact !== null).slice(0, MOST)
    return {
      links: known(links!.map(parseLink)),
      addresses: known(addresses!.map(parseAddress)),
      routes: known(routes!.flatMap(parseDefaultRoutes)),
      qdiscs: known(qdiscs!.map(parseQdisc)).toSorted((one, other) => Number(other.root) - Number(one.root)),
    }
  }

  [Symbol.dispose](): void {
    this.#events[Symbol.dispose]()
  }

  #dump(brings: number, bytes: number): readonly Buffer[] {
    for (let attempt = 1; ; attempt += 1) {
      const { bodies, whole } = dumpOnce(brings, bytes)
      if (whole) return bodies
      if (attempt === TRIES) {
        this.#logger.warn({ brings }, 'the network changes faster than it can be read')
        return bodies
      }
    }
  }
}

function dumpOnce(brings: number, bytes: number): { bodies: readonly Buffer[]; whole: boolean } {
  using socket = NetlinkSocket.open(NETLINK_ROUTE, 0)
  socket.send(dumpRequest(brings + 2, Buffer.alloc(bytes)))
  const bodies: Buffer[] = []
  let whole = true
  for (;;) {
    const piece = socket.receive()
    if (piece === null || piece === 'lost') return { bodies, whole: false }
    for (const { type, interrupted, body } of messagesIn(piece)) {
      if (interrupted) whole = false
      if (type === NLMSG_DONE) return { bodies, whole }
      if (type === NLMSG_ERROR) throw new Error(`the kernel refuses to list what message ${brings} tells`)
      if (type === brings) bodies.push(Buffer.from(body))
    }
  }
}
