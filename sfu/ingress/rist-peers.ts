import type { RistLogLine } from '../../common/rist/log-channel.ts'
import type { LinkStats, RawFlowStats } from './rist-stats.ts'

/** A peer that has not authenticated within this time, in ms, has no credentials. */
const AUTHENTICATION_MS = 1500
/** Peers remembered; librist forgets a silent one after 2 s, and numbers them upwards. */
const MAX_PEERS = 256

interface Peer {
  port: number | undefined
  cname: string | undefined
  flowId: number
  /** When it appeared and has to authenticate, or undefined once it has or was reported. */
  pendingSince: number | undefined
  /** It has proved that it is the stream's sender. */
  authenticated: boolean
}

const NEW_PEER = /^New \w+ peer connecting, flow_id (\d+), peer_id (\d+)/
const NAMED = /^Peer (\d+) receiver name is now: (.*)$/
const AUTHENTICATED = /^Authenticated RTCP peer (\d+) and flow/
const REMOVED = /^Removing timed-out peer (\d+)/

/**
 * Who librist's peers are, learned from its log lines and its connect callback: the statistics name a peer by
 * number only. Time is given in, in ms.
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

  /** Whether there is a peer that has proved to be the stream's sender. */
  get someAuthenticated(): boolean {
    for (const { authenticated } of this.#peers.values()) if (authenticated) return true
    return false
  }

  /** The peer that librist has just announced arrived at this port. */
  placeNewest(port: number): void {
    const peer = this.#newest === undefined ? undefined : this.#peers.get(this.#newest)
    if (peer) peer.port = port
    this.#newest = undefined
  }

  /** A peer authenticated with wrong credentials: the pending ones are no longer "without credentials". */
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

  /** Whether any sender keeps a connection up: librist drops one whose keepalives stay away for two seconds. */
  get connected(): boolean {
    return this.#peers.size > 0
  }

  /** Statistics per configured link; a link that several peers have used counts the live one. */
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
      }
    })
  }
}
