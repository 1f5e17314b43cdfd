import type { NodeConfig } from '../../../common/wire/node-config.ts'
import type { NodeReport } from '../../../common/wire/node-report.ts'
import { PROTOCOL } from '../../routes/route-plan.ts'
import type { SystemRoots } from '../system-roots.ts'
import { kindOf } from './interface-kind.ts'
import { hardwareOf, type LinkHardware } from './link-hardware.ts'
import type { DefaultRoute, Link } from './network-state.ts'
import type { NetworkState } from './route-watch.ts'
import { linkIdsOf } from './uplinks.ts'

export type InterfaceFact = NonNullable<NodeReport['interfaces']>[number]
export type ModemFact = NonNullable<InterfaceFact['modem']>

const MOST_INTERFACES = 64
const MOST_ADDRESSES = 16
/** Routing table `main`. */
const MAIN = 254

/** The interfaces of the device as it reports them, and which of them were seen to reach out. */
export class Interfaces {
  readonly #roots: Pick<SystemRoots, 'sys'>
  /** Interfaces that had an address and a way out, by their index: a modem without a signal is an uplink still. */
  readonly #reachedOut = new Set<number>()

  constructor(roots: Pick<SystemRoots, 'sys'>) {
    this.#roots = roots
  }

  /** @param modems by the name of the interface that they bring */
  describe(
    state: NetworkState,
    config: Pick<NodeConfig, 'uplinks' | 'not_uplinks'>,
    modems: ReadonlyMap<string, ModemFact>,
  ): readonly InterfaceFact[] {
    const seen = state.links
      .filter(({ loopback }) => !loopback)
      .slice(0, MOST_INTERFACES)
      .map((link) => this.#look(link, state, modems.get(link.name) ?? null))
    const present = new Set(state.links.map(({ index }) => index))
    for (const index of this.#reachedOut) if (!present.has(index)) this.#reachedOut.delete(index)
    const linkIds = linkIdsOf(
      seen.map(({ fact, hardware, index }) => ({
        name: fact.name,
        kind: fact.kind,
        path: hardware.path,
        usbPort: hardware.usbPort,
        reachesOut: this.#reachedOut.has(index),
      })),
      config,
    )
    return seen.map(({ fact }, at) => ({ ...fact, link_id: linkIds[at] ?? null }))
  }

  #look(link: Link, { addresses, routes }: NetworkState, modem: ModemFact | null): Seen {
    const hardware = hardwareOf(link, this.#roots)
    const route = bestRoute(
      routes.filter(({ index, protocol }) => index === link.index && protocol !== PROTOCOL),
    )
    const fact: InterfaceFact = {
      name: link.name,
      kind: kindOf(link, hardware, modem !== null),
      carrier: link.carrier,
      mac: link.mac,
      addresses: addresses
        .filter(({ index }) => index === link.index)
        .slice(0, MOST_ADDRESSES)
        .map(({ ip }) => ip),
      gateway: route?.gateway ?? null,
      mtu: link.mtu,
      link_id: null,
      path: hardware.path,
      modem,
    }
    if (link.carrier && fact.addresses.length > 0 && route) this.#reachedOut.add(link.index)
    return { fact, hardware, index: link.index }
  }
}

interface Seen {
  readonly fact: InterfaceFact
  readonly hardware: LinkHardware
  readonly index: number
}

/** Of the main table rather than of another, of IPv4 rather than of IPv6, of the least metric. */
function bestRoute(routes: readonly DefaultRoute[]): DefaultRoute | undefined {
  const rank = ({ table, family }: DefaultRoute): number => (table === MAIN ? 0 : 2) + (family === 4 ? 0 : 1)
  return routes.toSorted((one, other) => rank(one) - rank(other) || one.metric - other.metric)[0]
}
