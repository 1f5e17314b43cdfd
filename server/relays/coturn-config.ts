import { isIP } from 'node:net'
import { CodedError } from '../../common/errors.ts'
import { SPECIAL_NETWORKS } from '../../turn/peer-rules.ts'
import type { Config } from '../config/config.ts'
import { SETTINGS } from '../config/settings.ts'
import { isLoopback } from '../tls/loopback.ts'
import { type IpRange, ipRange, overlaps, without, writeRange } from './ip-ranges.ts'
import { mediaPeers } from './media-peers.ts'
import { turnHostOf, turnIpOf } from './turn-place.ts'

/** As the embedded server's. */
const REALM = 'lanecast'
const LOOPBACK = [ipRange('127.0.0.0/8'), ipRange('::1')]

export interface CoturnSecrets {
  /** What the hub's credentials are made with; null leaves it out. */
  readonly secret: string | null
}

/**
 * A configuration of coturn 4.5 or newer that does what the hub's own relay does: the hub's credentials, its ports, its
 * quotas, and peers that are the hub's media addresses and what the operator allows, less what the operator denies.
 * @throws CodedError `bad_config` where the media address is found at run time only
 */
export function coturnConfig(config: Config, { secret }: CoturnSecrets): string {
  if (config.stunServer !== null && config.rtcAnnounced === '')
    throw new CodedError('bad_config', 'the configuration is not enough for coturn', {
      details: [
        `${SETTINGS.rtcAnnounced.env}: needed beside ${SETTINGS.stunServer.env}: the hub finds its address when it runs, and coturn must be told now where it may send`,
      ],
    })
  const ip = turnIpOf(config)
  const rtc = config.rtcAnnounced || config.rtcIp
  const host = turnHostOf(config, rtc)
  const [firstPort, lastPort] = config.turnRelayPorts
  const wildcard = ip === '0.0.0.0' || ip === '::'
  const peers = peersOf(config, rtc)
  const loopback = peers.some((peer) => LOOPBACK.some((each) => overlaps(peer, each)))
  const bytes = (kbps: number) => Math.floor((kbps * 1000) / 8)
  const { turnKbpsPerAllocation: ceiling, tlsCertFile, tlsKeyFile } = config
  return [
    '# coturn for Lanecast, made by `npm run turn:coturn-config` from the settings of the hub. Make it again when they change.',
    ...(wildcard ? [] : [`listening-ip=${ip}`, `relay-ip=${ip}`]),
    ...(isIP(host) !== 0 && host !== ip ? [`external-ip=${wildcard ? host : `${host}/${ip}`}`] : []),
    `listening-port=${config.turnPort}`,
    ...(tlsCertFile === ''
      ? ['# Without TLS_CERT_FILE the hub has no certificate for coturn.', 'no-tls', 'no-dtls']
      : [
          `tls-listening-port=${config.turnTlsPort}`,
          `cert=${tlsCertFile}`,
          `pkey=${tlsKeyFile}`,
          'no-dtls',
          'no-tlsv1',
          'no-tlsv1_1',
        ]),
    `min-port=${firstPort}`,
    `max-port=${lastPort}`,
    '',
    '# Credentials are minted by the hub, and are good for minutes.',
    'use-auth-secret',
    ...(secret === null
      ? ['# static-auth-secret is left out here: --out writes it into a file that only its owner reads.']
      : [`static-auth-secret=${secret}`]),
    `realm=${REALM}`,
    'fingerprint',
    'stale-nonce=600',
    '',
    "# Peers: the hub's media and what TURN_ALLOW_PEERS names, less TURN_DENY_PEERS. coturn lets allowed beat denied, so what is",
    '# denied is cut out of what is allowed, as are loopback, private networks and others of special use.',
    "# coturn does not know ports: on the hub's machine it reaches each UDP service there. A machine of its own does not.",
    ...peers.map((peer) => `allowed-peer-ip=${writeRange(peer)}`),
    'denied-peer-ip=0.0.0.0-255.255.255.255',
    'denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    'no-multicast-peers',
    ...(loopback ? ["# The hub's media is on loopback: for trials only.", 'allow-loopback-peers'] : []),
    '',
    `user-quota=${config.turnAllocationsPerCredential}`,
    `total-quota=${lastPort - firstPort + 1}`,
    ...(ceiling === 0 ? [] : [`max-bps=${bytes(ceiling)}`]),
    '',
    'no-cli',
    'no-tcp-relay',
    'no-software-attribute',
    'log-file=stdout',
    'simple-log',
    '',
  ].join('\n')
}

function peersOf(config: Config, rtc: string): IpRange[] {
  const media = mediaPeers(config, [rtc, ...(isLoopback(config.ristAnnounced) ? [] : [config.ristAnnounced])])
  const allowed = without(config.turnAllowPeers.map(ipRange), SPECIAL_NETWORKS.map(ipRange))
  return without([...media.map(ipRange), ...allowed], config.turnDenyPeers.map(ipRange))
}
