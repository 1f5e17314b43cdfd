import { ATTRIBUTE, FAMILY } from '../../common/stun/stun-types.ts'
import type { Allocation } from '../allocation.ts'
import type { Desk, Reply, Request } from '../request.ts'
import { LIFETIME_S } from './allocate.ts'

/** Refresh, RFC 8656, section 8.2: the allocation goes on, or ends with a lifetime of 0. */
export function refresh({ message }: Request, allocation: Allocation, desk: Desk, nowMs: number): Reply {
  const lifetime = message.uint32(ATTRIBUTE.lifetime)
  const family = message.uint32(ATTRIBUTE.requestedAddressFamily)
  if (lifetime === null || family === null) return { error: 400, refusal: 'malformed' }
  if (family !== undefined && family >>> 24 !== FAMILY[allocation.relay.announced.family])
    return { error: 443, refusal: 'family' }
  const granted = lifetime === 0 ? 0 : LIFETIME_S
  if (granted === 0) desk.allocations.end(allocation)
  else allocation.expiresMs = nowMs + granted * 1000
  return { success: (writer) => writer.uint32(ATTRIBUTE.lifetime, granted) }
}
