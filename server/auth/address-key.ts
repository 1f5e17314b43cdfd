import { isIPv6 } from 'node:net'

/**
 * The key under which requests of an address are counted: an IPv4 address itself, and the /64 of an IPv6 address,
 * because the holder of one address of a /64 has all of them.
 */
export function addressKey(address: string): string {
  const plain = address.split('%', 1)[0]!.toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing =
    tail === undefined ? 0 : Math.max(0, 8 - groups.length - rest.length - (plain.includes('.') ? 1 : 0))
  const all = [...groups, ...Array.from({ length: missing }, () => '0'), ...rest]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
