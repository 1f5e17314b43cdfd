import type { Config } from '../config/config.ts'

export type TurnPlaceSettings = Pick<
  Config,
  'turnIp' | 'turnAnnounced' | 'rtcIp' | 'rtcAnnounced' | 'dataDir' | 'turnSecretFile' | 'hubId'
>

/** Where TURN beside the hub listens. */
export function turnIpOf({ turnIp, rtcIp }: TurnPlaceSettings): string {
  return turnIp === '' ? rtcIp : turnIp
}

/** How clients reach it: a name or an address. */
export function turnHostOf(config: TurnPlaceSettings): string {
  return config.turnAnnounced || config.rtcAnnounced || turnIpOf(config)
}

/** The secret that coturn and the hub share. */
export function turnSecretFileOf({ turnSecretFile, dataDir }: TurnPlaceSettings): string {
  return turnSecretFile === '' ? `${dataDir}.turn` : turnSecretFile
}

/** The node of coturn beside the hub, in the directory. */
export function coturnNodeOf({ hubId }: TurnPlaceSettings): string {
  return `${hubId}-turn`
}
