import { isIP } from 'node:net'
import type { Config } from '../config/config.ts'
import { turnUrls } from './turn-urls.ts'

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

/** URLs of coturn beside the hub, which has TLS with certificate files alone. @param rtc as for {@link turnHostOf} */
export function coturnUrlsOf(
  config: TurnPlaceSettings & Pick<Config, 'turnPort' | 'turnTlsPort' | 'tlsCertFile'>,
  rtc: string,
): string[] {
  const { turnPort: port, turnTlsPort: tls, tlsCertFile } = config
  const ports = { udp: port, tcp: port, tls: tls === 0 || tlsCertFile === '' ? null : tls }
  return turnUrls(turnHostOf(config, rtc), ports, secureTurnHostOf(config, rtc))
}

/** The node of coturn beside the hub, in the directory. */
export function coturnNodeOf({ hubId }: TurnPlaceSettings): string {
  return `${hubId}-turn`
}
