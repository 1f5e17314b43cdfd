import type { Config } from '../../server/config/config.ts'
import { SETTINGS } from '../../server/config/settings.ts'
import { turnIpOf } from '../../server/relays/turn-place.ts'
import { tlsRequirement } from '../../server/tls/tls-requirement.ts'
import type { PortKind } from './port-holder.ts'

/** A port that the hub opens, and the setting that says so. */
export interface WantedPort {
  readonly kind: PortKind
  readonly host: string
  readonly port: number
  readonly setting: { readonly env: string; readonly key: string }
}

/** All ports of a configuration. Those that the system chooses (0) are left out. */
export function wantedPorts(config: Config): WantedPort[] {
  const { bind, metrics, rtcIp, rtcPort, workers, ristIp, ristPorts, rtpPorts, streams } = config
  const one = (kind: PortKind, host: string, port: number, setting: WantedPort['setting']) => ({
    kind,
    host,
    port,
    setting,
  })
  const span = ([first, last]: readonly [number, number]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index)
  const media = rtcPort === 0 ? [] : span([rtcPort, rtcPort + workers - 1])
  const fixed = { env: 'streams', key: 'streams.ports' }
  const ports = [
    one('tcp', bind.host, bind.port, SETTINGS.bind),
    one('tcp', metrics.host, metrics.port, SETTINGS.metrics),
    ...media.flatMap((port) => [
      one('udp', rtcIp, port, SETTINGS.rtcPort),
      one('tcp', rtcIp, port, SETTINGS.rtcPort),
    ]),
    ...span(ristPorts).map((port) => one('udp', ristIp, port, SETTINGS.ristPorts)),
    ...span(rtpPorts).map((port) => one('udp', '127.0.0.1', port, SETTINGS.rtpPorts)),
    ...streams.flatMap(({ ports: own = [] }) => own.map((port) => one('udp', ristIp, port, fixed))),
  ]
  if (config.tlsAcmeEmail !== '' && config.tlsAcmeChallenges.includes('http-01'))
    ports.push(one('tcp', config.tlsAcmeHttp.host, config.tlsAcmeHttp.port, SETTINGS.tlsAcmeHttp))
  if (config.turnMode === 'embedded') {
    const ip = turnIpOf(config)
    ports.push(one('udp', ip, config.turnPort, SETTINGS.turnPort))
    ports.push(one('tcp', ip, config.turnPort, SETTINGS.turnPort))
    // Over TLS only where the hub has a certificate.
    if (tlsRequirement(bind.host, config).kind === 'tls')
      ports.push(one('tcp', ip, config.turnTlsPort, SETTINGS.turnTlsPort))
    ports.push(...span(config.turnRelayPorts).map((port) => one('udp', ip, port, SETTINGS.turnRelayPorts)))
  }
  const seen = new Set<string>()
  return ports.filter(({ kind, host, port }) => {
    const name = `${kind} ${host} ${port}`
    return port !== 0 && !seen.has(name) && seen.add(name)
  })
}
