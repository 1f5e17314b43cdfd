import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config } from '../config/config.ts'
import { isLoopback } from '../tls/loopback.ts'

/** Most addresses of one hub. */
const MOST = 256

/**
 * Addresses at which media workers and RIST ports are reached: all that a relay must send to.
 * @param announced addresses that others are told
 */
export function mediaPeers(
  { rtcIp, ristIp }: Pick<Config, 'rtcIp' | 'ristIp'>,
  announced: readonly string[],
): string[] {
  const own = new Set(announced.filter((each) => isIP(each) !== 0))
  // RIST on loopback is for senders of this machine. It makes no peer of everything that listens there.
  const bound = isLoopback(ristIp) ? [rtcIp] : [rtcIp, ristIp]
  for (const ip of bound) if (!isUnspecified(ip)) own.add(ip)
  if (bound.some(isUnspecified))
    for (const addresses of Object.values(networkInterfaces()))
      for (const { address, internal } of addresses ?? [])
        if (!internal && isIP(address) !== 0) own.add(address)
  return [...own].slice(0, MOST)
}

function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::'
}
