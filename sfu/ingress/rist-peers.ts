import type { RistLogLine } from '../../common/rist/log-channel.ts'
import type { LinkStats, RawFlowStats } from './rist-stats.ts'

/** A peer that has not authenticated within this time has no credentials, ms. */
const AUTHENTICATION_MS = 1500
/** Most peers remembered. librist forgets a silent peer after 2 s, and numbers peers upwards. */
const MAX_PEERS = 256

interface Peer {
  port: number | undefined
  cname: string | undefined
  flowId: number
  /** When the peer appeared and had to authenticate; undefined once it has, or was reported. */
  pendingSince: number | undefined
  /** The peer has proved that it is the stream's sender. */
  authenticated: boolean
}

const NEW_PEER = /^New \w+ peer connecting, flow_id (\d+), peer_id (\d+)/
const NAMED = /^Peer (\d+) receiver name is now: (.*)$/
const AUTHENTICATED = /^Authenticated RTCP peer (\d+) and flow/
const REMOVED = /^Removing timed-out peer (\d+)/

/**
 * Knows librist's peers from librist's log lines and connect callback, because the statistics name a peer only by
 * number. Callers give the time, in ms.
 */
export class RistPeers {
  readonly #peers = new Map<number, Peer>()
  #newest: number | undefined

  read(line: RistLogLine, nowMs: number): void {
    const created = NEW_PEER.exec(line.message)
    if (created) this.#create(Number(created[2]), Number(created[1]), nowMs)
    const named = NAMED.exec(line.message)
    const namedPeer = named && this.#peers.get(Number(named[1]))
    if (named && namedPeer) namedPeer.cname = named[2]
    const authenticated = AUTHENTICATED.exec(line.message)
    const authenticatedPeer = authenticated && this.#peers.get(Number(authenticated[1]))
    if (authenticatedPeer) {
      authenticatedPeer.pendingSince = undefined
      authenticatedPeer.authenticated = true
    }
    const removed = REMOVED.exec(line.message)
    if (removed) this.#peers.delete(Number(removed[1]))
  }

  #create(id: number, flowId: number, nowMs: number): void {
    const oldest = this.#peers.keys().next().value
    if (this.#peers.size >= MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest)
    this.#peers.set(id, {
      port: undefined,
      cname: undefined,
      flowId,
      pendingSince: nowMs,
      authenticated: false,
    })
    this.#newest = id
  }

  /** Whether any peer has proved that it is the stream's sender. */
  get someAuthenticated(): boolean {
    for (const { authenticated } of this.#peers.values()) if (authenticated) return true
    return false
  }

  /** The peer that librist announced last arrived at this port. */
  placeNewest(port: number): void {
    const peer = this.#newest === undefined ? undefined : this.#peers.get(this.#newest)
    if (peer) peer.port = port
    this.#newest = undefined
  }

  /** A peer authenticated with wrong credentials: the pending peers no longer count as "without credentials". */
  excusePending(): void {
    for (const peer of this.#peers.values()) peer.pendingSince = undefined
  }

  /** How many peers did not authenticate in time, each counted once. */
  unauthenticated(nowMs: number): number {
    let count = 0
    for (const peer of this.#peers.values()) {
      if (peer.pendingSince === undefined || nowMs - peer.pendingSince < AUTHENTICATION_MS) continue
      peer.pendingSince = undefined
      count++
    }
    return count
  }

  /** Whether any sender keeps a connection up: librist drops a sender whose keepalives stay away for two seconds. */
  get connected(): boolean {
    return this.#peers.size > 0
  }

  /** Statistics per configured link. A link that several peers have used shows the live peer. */
  links(ports: readonly number[], flow: RawFlowStats): LinkStats[] {
    return ports.map((port) => {
      const peers = flow.peers.filter((peer) => this.#peers.get(peer.id)?.port === port)
      const best = peers.toSorted((a, b) => b.received - a.received || b.id - a.id)[0]
      const received = peers.reduce((sum, peer) => sum + peer.received, 0)
      return {
        port,
        cname: best && this.#peers.get(best.id)?.cname,
        alive: received > 0,
        rttMs: best?.rttMs ?? 0,
        bitrateKbps: received > 0 ? peers.reduce((sum, peer) => sum + peer.bitrateKbps, 0) : 0,
        received,
        reports: peers.reduce((sum, peer) => sum + peer.reports, 0),
      }
    })
  }
}
