import { isIP } from 'node:net'
import type { Config } from '../config/config.ts'

export type TurnPlaceSettings = Pick<
  Config,
  'turnIp' | 'turnAnnounced' | 'rtcIp' | 'dataDir' | 'turnSecretFile' | 'hubId' | 'tlsNames'
>

/** Where TURN beside the hub listens. */
export function turnIpOf({ turnIp, rtcIp }: TurnPlaceSettings): string {
  return turnIp === '' ? rtcIp : turnIp
}

/** How clients reach it: a name or an address. @param rtc where others reach the hub's media, as `MediaAddresses` knows it */
export function turnHostOf({ turnAnnounced, turnIp }: TurnPlaceSettings, rtc: string): string {
  return turnAnnounced || (turnIp === '' || turnIp === '0.0.0.0' || turnIp === '::' ? rtc : turnIp)
}

/**
 * How clients reach it over TLS: by a name that the certificate of the hub has, where there is one. Public CAs certify names.
 */
export function secureTurnHostOf(config: TurnPlaceSettings, rtc: string): string {
  const named = config.tlsNames.find(
    (name) => isIP(name) === 0 && !name.startsWith('*') && name.includes('.'),
  )
  return config.turnAnnounced || named || turnHostOf(config, rtc)
}

/** The secret that coturn and the hub share. */
export function turnSecretFileOf({ turnSecretFile, dataDir }: TurnPlaceSettings): string {
  return turnSecretFile === '' ? `${dataDir}.turn` : turnSecretFile
}

/** The node of coturn beside the hub, in the directory. */
export function coturnNodeOf({ hubId }: TurnPlaceSettings): string {
  return `${hubId}-turn`
}
