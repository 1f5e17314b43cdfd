import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/**
 * Finds out where requests come from: the address of the connection, or what trusted proxies say of it
 * (`X-Forwarded-For`, from its end on). For upgrades, of which Express knows nothing.
 *
 * @param trustedProxies addresses and ranges such as `10.0.0.0/8`
 */
export function clientAddressBy(
  trustedProxies: readonly string[],
): (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string | null {
  const trusted = new BlockList()
  for (const range of trustedProxies) {
    const [address = '', bits] = range.split('/')
    if (bits === undefined) trusted.addAddress(address, familyOf(address))
    else trusted.addSubnet(address, Number(bits), familyOf(address))
  }
  return ({ headers, socket }) => {
    const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
    let address = socket.remoteAddress ?? null
    for (const said of forwarded.map((text) => text.trim()).reverse()) {
      if (address === null || !trusted.check(address, familyOf(address)) || isIP(said) === 0) break
      address = said
    }
    return address
  }
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')
