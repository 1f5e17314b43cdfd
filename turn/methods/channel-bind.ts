import { readXorAddress } from '../../common/stun/stun-address.ts'
import { ATTRIBUTE, isChannel } from '../../common/stun/stun-types.ts'
import type { Allocation } from '../allocation.ts'
import type { Desk, Reply, Request } from '../request.ts'

/** ChannelBind, RFC 8656, section 12.2. */
export function channelBind({ message }: Request, allocation: Allocation, desk: Desk, nowMs: number): Reply {
  const malformed = { error: 400, refusal: 'malformed' } as const
  const number = message.uint32(ATTRIBUTE.channelNumber)
  const found = message.find(ATTRIBUTE.xorPeerAddress)
  const peer = found && readXorAddress(message.bytes, message.start, found.at, found.length)
  // The lower half of the attribute is reserved, and is ignored.
  if (number == null || !peer || !isChannel(number >>> 16)) return malformed
  if (peer.family !== allocation.relay.announced.family) return { error: 443, refusal: 'family' }
  if (!desk.rules.allows(peer.ip, peer.port) || desk.isOurs(peer)) return { error: 403, refusal: 'peer' }
  if (!allocation.hasRoomFor([peer], nowMs)) return { error: 508, refusal: 'full' }
  const bound = allocation.bind(number >>> 16, peer, nowMs)
  if (bound === 'contradicts') return malformed
  return bound === 'full' ? { error: 508, refusal: 'full' } : { success: () => {} }
}
