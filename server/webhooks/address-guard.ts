import { type LookupAddress, lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { CodedError } from '../../common/errors.ts'
import { SPECIAL_IPV4, SPECIAL_UNICAST_IPV6 } from '../../common/net/special-networks.ts'
import { isLoopback } from '../tls/loopback.ts'

/** Of IPv6 only 2000::/3 is public, less what is special in it, or carries IPv4 addresses that nobody checks. */
const PUBLIC_IPV6 = '2000::/3'

/**
 * Where webhooks may not go: a tenant's URL must not make the hub speak to machines behind its firewall, or to itself.
 * The address of the connection decides, not an earlier answer for the name.
 */
export class AddressGuard {
  readonly #forbidden = listOf([...SPECIAL_IPV4, ...SPECIAL_UNICAST_IPV6])
  readonly #public = listOf([PUBLIC_IPV6])
  readonly #allowed: BlockList
  readonly #resolve: typeof lookup

  /**
   * @param allowedNetworks private networks that are allowed all the same, `10.1.0.0/16`
   * @param resolve looks a name up; the system's resolver by default
   * @throws CodedError `bad_config`
   */
  constructor(allowedNetworks: readonly string[] = [], resolve: typeof lookup = lookup) {
    this.#allowed = listOf(allowedNetworks)
    this.#resolve = resolve
  }

  allows(address: string): boolean {
    const plain = unmapped(address)
    const family = isIP(plain)
    if (family === 0) return false
    const type = family === 6 ? 'ipv6' : 'ipv4'
    if (this.#allowed.check(plain, type)) return true
    if (family === 6 && !this.#public.check(plain, 'ipv6')) return false
    return !this.#forbidden.check(plain, type)
  }

  /**
   * The URL, if its form can be delivered to. Names are looked up only at delivery.
   * @throws CodedError `webhook_url` (400)
   */
  checkUrl(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (!url || text.length > 2048) throw badUrl('it must be an absolute URL of at most 2048 characters')
    if (url.username !== '' || url.password !== '') throw badUrl('it must not hold a user name or password')
    if (url.hash !== '') throw badUrl('it must not have a fragment')
    const host = hostOf(url)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(host)))
      throw badUrl('it must begin with https:// (http:// is for loopback alone)')
    if (isIP(host) !== 0 && !this.allows(host))
      throw badUrl(`${host} is a private address, and WEBHOOK_NETWORKS does not open it`)
    if (isIP(host) === 0 && isLoopback(host) && !this.allows('127.0.0.1') && !this.allows('::1'))
      throw badUrl(`${host} is this machine, and WEBHOOK_NETWORKS does not open it`)
    return url
  }

  /**
   * For `http.request`: looks a name up, and refuses it when one of its addresses is not allowed. The connection goes
   * to the address returned here: nobody asks for the name again, so nobody can answer differently.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, [])
      const wrong = addresses.find(({ address }) => !this.allows(address))
      const first = addresses[0]
      if (wrong || !first) return callback(forbidden(hostname), [])
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

  /** As `lookup`, for a URL with an address, which needs no lookup. @throws CodedError */
  checkLiteral(url: URL): void {
    const host = hostOf(url)
    if (isIP(host) !== 0 && !this.allows(host)) throw forbidden(host)
  }
}

/** Without brackets, and without the final dot of an absolute name: `localhost.` is `localhost`. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/')
    const family = isIP(address)
    const length = Number(bits)
    if (family === 0 || !/^\d{1,3}$/.test(bits) || length > (family === 6 ? 128 : 32))
      throw new CodedError('bad_config', `"${network}" is not a network such as 10.1.0.0/16`)
    list.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

/** An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is that IPv4 address. */
function unmapped(address: string): string {
  const plain = address.split('%', 1)[0]!
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  if (dotted !== undefined) return dotted
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(plain) ?? []
  if (high === undefined || low === undefined) return plain
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}

function badUrl(why: string): CodedError {
  return new CodedError('webhook_url', `the URL can't be delivered to: ${why}`)
}

/** Without the address: a tenant must not learn where a name points inside. */
function forbidden(host: string): CodedError {
  return new CodedError('webhook_address', `webhooks may not go to the address of ${host}`)
}
