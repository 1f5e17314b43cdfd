import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config } from '../config/config.ts'

/** Most addresses of one hub. */
const MOST = 256

/**
 * Addresses at which media workers are reached: all that a relay must send to.
 * @param announced addresses that others are told
 */
export function mediaPeers({ rtcIp }: Pick<Config, 'rtcIp'>, announced: readonly string[]): string[] {
  const own = new Set(announced.filter((each) => isIP(each) !== 0))
  if (rtcIp !== '0.0.0.0' && rtcIp !== '::') own.add(rtcIp)
  else
    for (const addresses of Object.values(networkInterfaces()))
      for (const { address, internal } of addresses ?? [])
        if (!internal && isIP(address) !== 0) own.add(address)
  return [...own].slice(0, MOST)
}
