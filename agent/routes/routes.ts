import { lookup } from 'node:dns/promises'
import { BlockList, isIP, SocketAddress } from 'node:net'
import { messageOf } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { Endpoint } from '../../common/wire/flow-contract.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { NETLINK_ROUTE, NetlinkSocket } from '../hardware/netlink/netlink-socket.ts'
import { change, mainRoutes, ownRoutes } from './ip-program.ts'
import { ReversePath } from './reverse-path.ts'
import { RouteOwnership } from './route-ownership.ts'
import {
  changes,
  type Dialled,
  FAMILIES,
  type Family,
  FIRST_TABLE,
  familyOf,
  type LinkInterface,
  MAX_TABLES,
  planRoutes,
} from './route-plan.ts'

/** Groups of linux/rtnetlink.h: links, and addresses, routes and rules of IPv4 and IPv6. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x4_0000
/** One change of a network is many events, ms. */
const SETTLES_MS = 100
/** `use` waits no longer for the routes: media must go on, ms. */
const USE_WITHIN_MS = 2000

/** The link by which the hub is asked is left when it has not carried for so long, ms. */
const LEFT_AFTER_MS = 2000

export interface RoutesOptions {
  readonly hubUrl: string
  readonly logger: Logger
}

export interface LinkState {
  readonly link: string
  readonly carries: boolean
  readonly weight: number
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

type Interfaces = NonNullable<NodeReport['interfaces']>

/**
 * Sends what goes to the endpoints of a link by that link's interface, whatever the other routes are: a table for each link,
 * and a rule for each endpoint's port. The kernel tells when anything changes, and what is missing is put back: routes vanish
 * with their interface, and other programs flush rules. All of it is gone when this is disposed of; what a killed
 * process left is taken over.
 *
 * It needs CAP_NET_ADMIN and the program `ip` (iproute2). Without them all links go the main table's way, and the log says so.
 */
export class Routes implements AsyncDisposable {
  readonly #logger: Logger
  /** Host name or address. */
  readonly #hub: string
  readonly #events: NetlinkSocket
  readonly #ownership = new RouteOwnership()
  readonly #reversePath = new ReversePath()
  /** The endpoints of each stream, with their addresses. */
  readonly #uses = new Map<string, readonly Dialled[]>()
  readonly #tables = new Map<string, number>()
  #interfaces: Interfaces = []
  /** The link by which the hub is asked; null: by the default route. */
  #tcpLink: string | null = null
  /** When this link was last seen to carry. */
  #carriedAt = 0
  #leaving: NodeJS.Timeout | undefined
  /** The addresses at which the hub is asked. */
  #asked: readonly Dialled[] = []
  #timer: NodeJS.Timeout | null = null
  /** Looks run one after the other. A look that waits does for all who ask meanwhile. */
  #looking: Promise<void> = Promise.resolve()
  #waiting: Promise<void> | null = null
  #told = ''
  /** Nothing of ours is there. */
  #clean = false
  #closed = false

  /** Removes what a process before has left. */
  static async open({ logger, hubUrl }: RoutesOptions): Promise<Routes> {
    const routes = new Routes(logger, new URL(hubUrl).hostname.replaceAll(/[[\]]/g, ''))
    await routes.#look()
    return routes
  }

  private constructor(logger: Logger, hub: string) {
    this.#logger = logger
    this.#hub = hub
    this.#events = NetlinkSocket.open(NETLINK_ROUTE, GROUPS)
    this.#events.watch(() => {
      while (this.#events.receive() !== null);
      this.#timer ??= setTimeout(() => void this.#look(), SETTLES_MS)
    })
  }

  /** The interfaces of the device, by the report's names of the uplinks, whenever they change. */
  interfaces(interfaces: Interfaces): void {
    this.#interfaces = interfaces
    void this.#look()
  }

  /**
   * The endpoints of a stream from now on. Resolves when packets to them go their way, or after 2 s. Never throws: a
   * broadcast goes on without routes.
   * @param key names the stream
   */
  async use(key: string, endpoints: readonly Endpoint[]): Promise<void> {
    const dialled = await Promise.all(endpoints.map(addressesOf))
    if (this.#closed) return
    this.#uses.set(key, dialled.flat())
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, USE_WITHIN_MS)
    await Promise.race([this.#look(), late])
    clearTimeout(timer)
  }

  /**
   * How the links of a stream do. What goes to the hub by TCP (contracts, the control channel, what is delivered later)
   * takes a link that carries, not the default route, whose modem may be dead.
   */
  links(key: string, all: readonly LinkState[]): void {
    const dialled = this.#uses.get(key) ?? []
    const links = all.filter(({ link }) => dialled.some((one) => one.link === link))
    if (!links.some(({ carries }) => carries)) return
    const present = links.find(({ link }) => link === this.#tcpLink)
    const now = performance.now()
    clearTimeout(this.#leaving)
    if (present?.carries) this.#carriedAt = now
    const leftInMs = this.#carriedAt + LEFT_AFTER_MS - now
    if (this.#tcpLink !== null && leftInMs > 0) {
      // Nothing is told while nothing changes.
      if (!present?.carries) this.#leaving = setTimeout(() => this.links(key, all), leftInMs)
      return
    }
    const best = links.filter(({ carries }) => carries).toSorted((one, other) => other.weight - one.weight)[0]
    if (!best || best.link === this.#tcpLink) return
    this.#carriedAt = now
    this.#tcpLink = best.link
    this.#logger.info({ link: best.link }, 'the hub is asked by this link')
    void addressesOf({ address: this.#hub, port: 0, link: best.link }).then((asked) => {
      this.#asked = asked.map((one) => ({ ...one, port: null }))
      return this.#look()
    })
  }

  /** The stream is sent no more. */
  release(key: string): void {
    if (this.#uses.delete(key)) void this.#look()
  }

  /** The interface that a link is now; null while it is away. */
  interfaceOf(link: string): string | null {
    return this.#interfaces.find(({ link_id }) => link_id === link)?.name ?? null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#events[Symbol.dispose]()
    clearTimeout(this.#leaving)
    this.#uses.clear()
    await this.#look()
    this.#closed = true
    await this.#looking
    await this.#reversePath[Symbol.asyncDispose]()
    await this.#ownership[Symbol.asyncDispose]()
  }

  /** Looks what there is, and makes it what there should be. */
  #look(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    this.#waiting ??= this.#looking.then(async () => {
      this.#waiting = null
      if (!this.#closed) await this.#reconcile()
    })
    this.#looking = this.#waiting
    return this.#waiting
  }

  async #reconcile(): Promise<void> {
    const dialled = this.#dialled()
    if (dialled.length === 0 && this.#clean) return
    if (!(await this.#ownership.take())) {
      this.#clean = dialled.length === 0
      if (!this.#clean) this.#tell(['another agent of this machine sets the routes'])
      return
    }
    const links = this.#linksOf(dialled)
    const work = [
      ...[...links.values()].map(({ device }) => this.#loosen(device)),
      ...FAMILIES.map((family) => reconcileFamily(family, dialled, links)),
    ]
    const problems = await Promise.all(work.map((one) => one.catch((thrown: unknown) => [messageOf(thrown)])))
    this.#clean = dialled.length === 0 && problems.flat().length === 0
    this.#tell(problems.flat())
  }

  async #loosen(device: string | null): Promise<readonly string[]> {
    if (device !== null) await this.#reversePath.loosen(device)
    return []
  }

  /** All endpoints, and the addresses at which the hub is asked, while its link has an endpoint. */
  #dialled(): readonly Dialled[] {
    const dialled = [...this.#uses.values()].flat()
    const isDialled = dialled.some(({ link }) => link === this.#tcpLink)
    return isDialled ? [...dialled, ...this.#asked] : dialled
  }

  #linksOf(dialled: readonly Dialled[]): ReadonlyMap<string, LinkInterface> {
    const names = new Set(dialled.map(({ link }) => link))
    for (const link of this.#tables.keys()) if (!names.has(link)) this.#tables.delete(link)
    const links = new Map<string, LinkInterface>()
    for (const link of names) {
      const found = this.#interfaces.find(({ link_id }) => link_id === link)
      const table = this.#tableOf(link)
      if (table !== null)
        links.set(link, { table, device: found?.name ?? null, gateway: found?.gateway ?? null })
    }
    return links
  }

  #tableOf(link: string): number | null {
    const known = this.#tables.get(link)
    if (known !== undefined) return known
    const taken = new Set(this.#tables.values())
    for (let table = FIRST_TABLE; table < FIRST_TABLE + MAX_TABLES; table += 1) {
      if (taken.has(table)) continue
      this.#tables.set(link, table)
      return table
    }
    return null
  }

  /** The same problem is told once. */
  #tell(problems: readonly string[]): void {
    const told = [...new Set(problems)].join('; ')
    if (told === this.#told) return
    this.#told = told
    if (told !== '') this.#logger.error({ reason: told }, 'links are not bound to their interfaces')
    else this.#logger.info('links are bound to their interfaces again')
  }
}

async function reconcileFamily(
  family: Family,
  dialled: readonly Dialled[],
  links: ReadonlyMap<string, LinkInterface>,
): Promise<readonly string[]> {
  const mine = dialled.filter((one) => one.family === family)
  // A kernel without IPv6 has nothing to look for.
  const have = await ownRoutes(family).catch((error: unknown) => {
    if (mine.length > 0) throw error
    return { routes: [], rules: [] }
  })
  const want = planRoutes(mine, links, mine.length > 0 ? await mainRoutes(family) : [])
  const commands = changes(have, want)
  return commands.length > 0 ? change(family, commands) : []
}

/** All addresses of an endpoint that belongs to a link, but those of this machine. A name that nobody knows has none. */
async function addressesOf({
  address,
  port,
  link,
}: Pick<Endpoint, 'address' | 'port' | 'link'>): Promise<Dialled[]> {
  if (link === undefined) return []
  const addresses = isIP(address)
    ? [address]
    : (await lookup(address, { all: true }).catch(() => [])).map((found) => found.address)
  const away = addresses.filter((one) => !LOOPBACK.check(one, `ipv${familyOf(one)}`))
  return away.map((one) => {
    const family = familyOf(one)
    // As the kernel writes it.
    return {
      link,
      family,
      address: new SocketAddress({ address: one, family: `ipv${family}` }).address,
      port,
    }
  })
}
