import type { Endpoint } from '../../common/net/endpoint.ts'
import { readXorAddress } from '../../common/stun/stun-address.ts'
import { ATTRIBUTE } from '../../common/stun/stun-types.ts'
import type { Allocation } from '../allocation.ts'
import type { Desk, Reply, Request } from '../request.ts'

/** CreatePermission, RFC 8656, section 10.2: all of its peers or none. */
export function createPermission(
  { message }: Request,
  allocation: Allocation,
  desk: Desk,
  nowMs: number,
): Reply {
  const peers: Endpoint[] = []
  for (const { at, length } of message.all(ATTRIBUTE.xorPeerAddress)) {
    const peer = readXorAddress(message.bytes, message.start, at, length)
    if (!peer) return { error: 400, refusal: 'malformed' }
    if (peer.family !== allocation.relay.announced.family) return { error: 443, refusal: 'family' }
    if (!desk.rules.allows(peer.ip)) return { error: 403, refusal: 'peer' }
    peers.push(peer)
  }
  if (peers.length === 0) return { error: 400, refusal: 'malformed' }
  if (!allocation.hasRoomFor(peers, nowMs)) return { error: 508, refusal: 'full' }
  for (const peer of peers) allocation.permit(peer, nowMs)
  return { success: () => {} }
}
