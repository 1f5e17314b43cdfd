import { RTCPeerConnection } from 'werift'
import type { IceAccess } from '../../common/wire/flow-contract.ts'

/** By which ways a peer of werift may reach the hub; over UDP alone where nothing is said. */
export interface WeriftWays {
  /** Also straight over TCP. */
  readonly tcp?: boolean
  /** Also through the first relay of which werift takes a URL, by the first URL that begins and ends so. */
  readonly relay?: RelayUrl
  /** Also from loopback, where the hub of most tests is; true by default. */
  readonly loopback?: boolean
}

export interface RelayUrl {
  readonly scheme: 'turn' | 'turns'
  readonly transport: 'udp' | 'tcp'
  /** Of any by default. */
  readonly port?: number
}

/** The way that media takes now. */
export interface WeriftPath {
  /** To the hub, or from the relay to the hub. */
  readonly protocol: string
  readonly relayed: boolean
  /** Of this side's ICE: another one after each restart. */
  readonly usernameFragment: string
}

type Configuration = NonNullable<ConstructorParameters<typeof RTCPeerConnection>[0]>

type IceServer = IceAccess['ice_servers'][number]

/** A peer connection. @param relays those that the hub named */
export function newWeriftPeer(
  { tcp = false, relay, loopback = true }: WeriftWays = {},
  relays: readonly IceServer[] = [],
  more: Configuration = {},
): RTCPeerConnection {
  const servers = relay ? chosenServers(relays, relay) : []
  return new RTCPeerConnection({
    ...(servers.length > 0 && { iceServers: servers }),
    ...(loopback && { iceAdditionalHostAddresses: ['127.0.0.1'] }),
    iceUseTcp: tcp,
    iceTcpPassive: false,
    ...more,
  })
}

/**
 * Has the checks of an ICE restart run: werift 0.25.2 starts none where DTLS is connected already. Call it when both
 * descriptions are set. Resolves when there is a path.
 */
export async function checkAgain(peer: RTCPeerConnection): Promise<void> {
  for (const { iceTransport } of peer.dtlsTransports) {
    await iceTransport.start()
    if (iceTransport.state !== 'connected') throw new Error(`ICE is ${iceTransport.state} after its restart`)
  }
}

export function pathOf(peer: RTCPeerConnection): WeriftPath | null {
  const { connection } = peer.dtlsTransports[0]?.iceTransport ?? {}
  const candidate = connection?.nominated?.localCandidate
  if (!connection || !candidate) return null
  return {
    protocol: candidate.transport.toLowerCase(),
    relayed: candidate.type === 'relay',
    usernameFragment: connection.localUsername,
  }
}

/** What werift can use of relays: one URL of each. */
export function chosenServers(relays: readonly IceServer[], { scheme, transport, port }: RelayUrl) {
  const pattern = new RegExp(`^${scheme}:.*:${port ?? '\\d+'}\\?transport=${transport}$`)
  return relays.flatMap(({ urls, username, credential }) => {
    const url = urls.find((each) => pattern.test(each))
    if (url === undefined || username === undefined || credential === undefined) return []
    return [{ urls: url, username, credential }]
  })
}
