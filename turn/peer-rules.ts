import { BlockList, isIPv4 } from 'node:net'
import { SPECIAL_IPV4, SPECIAL_UNICAST_IPV6 } from '../common/net/special-networks.ts'
import type { TurnPeers } from '../common/wire/turn-ipc.ts'

/**
 * Addresses that nobody is relayed to unless they are the hub's own: IANA's special-purpose registries (RFC 6890), and
 * every form of IPv6 that stands for an IPv4 address, which could be any of the former.
 */
export const SPECIAL_NETWORKS: readonly string[] = [
  ...SPECIAL_IPV4,
  // The relays of 6to4.
  '192.88.99.0/24',
  // Unspecified, loopback, IPv4-compatible and IPv4-mapped.
  ...['::/96', '::ffff:0:0/96', '::ffff:0:0:0/96'],
  // NAT64, of the well-known and the local prefix; discard-only.
  ...['64:ff9b::/96', '64:ff9b:1::/48', '100::/64', ...SPECIAL_UNICAST_IPV6],
  // Segment routing; unique local; link-local; site-local; multicast.
  ...['5f00::/16', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
]

/** Whether a listener at this address is at every address. */
export function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::'
}

/**
 * Whom clients may reach: nobody but the hub's media, unless the operator says more. So the server is no open relay, and
 * no way to the other services of the hub's machine.
 */
export class PeerRules {
  readonly #deny: Networks
  readonly #own: Networks
  readonly #special = new Networks(SPECIAL_NETWORKS)
  readonly #allow: Networks
  readonly #ownPorts: TurnPeers['own_ports']

  constructor({ own, own_ports, allow, deny }: TurnPeers) {
    this.#deny = new Networks(deny)
    // The kernel takes an unspecified address for this machine's loopback.
    this.#own = new Networks(own.filter((ip) => !isUnspecified(ip)))
    this.#ownPorts = own_ports
    this.#allow = new Networks(allow)
  }

  isOwn(ip: string): boolean {
    return this.#own.has(ip)
  }

  /**
   * @param ip as node:net takes it, without a zone
   * @param port left out where only the address matters: a permission is for all ports, and lets nothing out by itself
   */
  allows(ip: string, port?: number): boolean {
    if (this.#deny.has(ip)) return false
    if (this.#own.has(ip))
      return (
        port === undefined ||
        this.#ownPorts === undefined ||
        this.#ownPorts.some(([first, last]) => first <= port && port <= last)
      )
    return !this.#special.has(ip) && this.#allow.has(ip)
  }
}

/** A list for each family: one list of both would take `::ffff:10.0.0.1` for an address of IPv4. */
class Networks {
  readonly #four = new BlockList()
  readonly #six = new BlockList()

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/')
      const [list, family, most] = isIPv4(address)
        ? ([this.#four, 'ipv4', 32] as const)
        : ([this.#six, 'ipv6', 128] as const)
      list.addSubnet(address, bits === undefined ? most : Number(bits), family)
    }
  }

  has(ip: string): boolean {
    return isIPv4(ip) ? this.#four.check(ip, 'ipv4') : this.#six.check(ip, 'ipv6')
  }
}
