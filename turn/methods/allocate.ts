import type { StunMessage } from '../../common/stun/stun-message.ts'
import { ATTRIBUTE, FAMILY, TRANSPORT_UDP } from '../../common/stun/stun-types.ts'
import type { StunWriter } from '../../common/stun/stun-writer.ts'
import { Allocation } from '../allocation.ts'
import { contractOf } from '../allocations.ts'
import type { RelaySocket } from '../relay-ports.ts'
import type { Desk, Reply, Request } from '../request.ts'
import { RESERVATION_BYTES } from '../reservations.ts'

/**
 * What every allocation gets until it is refreshed, s: RFC 8656's default, and our most. A client that vanishes costs a
 * port for so long.
 */
export const LIFETIME_S = 600

/** The R bit of EVEN-PORT: keep the port above, too. */
const RESERVE = 0x80

interface Wish {
  readonly family: 4 | 6
  /** `pair`: an even port, and the one above it is kept. */
  readonly port: 'any' | 'even' | 'pair'
  readonly reservation: Buffer | null
  /** The client asked for addresses of both families: it gets one, and an ADDRESS-ERROR-CODE for the other. */
  readonly additional: boolean
}

/** Allocate, RFC 8656, section 7.2. */
export function allocate(request: Request, desk: Desk, nowMs: number): Reply {
  const { client, proved, message } = request
  const transaction = message.transaction.toString('hex')
  const existing = client.allocation
  if (existing) {
    // The answer was lost, and the client asks again.
    if (existing.transaction === transaction && existing.username === proved.username)
      return answer(existing, false)
    return { error: 437, refusal: 'allocation_exists' }
  }
  const wish = wishOf(message)
  if ('error' in wish) return wish
  if (!desk.ports.serves(wish.family)) return { error: 440, refusal: 'family' }
  const quota = desk.allocations.refusal(proved.user, client.address)
  if (quota) return { error: 486, refusal: `quota_${quota}` }
  const opened = open(wish, request, desk, nowMs)
  if (!opened) return { error: 508, refusal: 'no_port' }
  const { own, tenant } = desk.allocations.ceilings(proved.user.tenantId, nowMs)
  const allocation = new Allocation({
    client,
    username: proved.username,
    user: proved.user,
    tenant,
    relay: opened.relay,
    transaction,
    reservation: opened.kept && desk.reservations.keep(opened.kept, contractOf(proved.user), nowMs),
    ceilings: own,
    expiresMs: nowMs + LIFETIME_S * 1000,
  })
  desk.allocations.add(allocation)
  desk.began(allocation)
  return answer(allocation, wish.additional)
}

function wishOf(message: StunMessage): Wish | Extract<Reply, { error: number }> {
  const malformed = { error: 400, refusal: 'malformed' } as const
  const transport = message.uint32(ATTRIBUTE.requestedTransport)
  if (transport == null) return malformed
  if (transport >>> 24 !== TRANSPORT_UDP) return { error: 442, refusal: 'transport' }
  const [wanted, additional] = [
    message.uint32(ATTRIBUTE.requestedAddressFamily),
    message.uint32(ATTRIBUTE.additionalAddressFamily),
  ]
  const [even, reservation] = [message.value(ATTRIBUTE.evenPort), message.value(ATTRIBUTE.reservationToken)]
  if (wanted === null || additional === null) return malformed
  if (even && (reservation || even.length !== 1)) return malformed
  if (reservation && (wanted !== undefined || reservation.length !== RESERVATION_BYTES)) return malformed
  const reserves = even !== null && (even[0]! & RESERVE) !== 0
  if (additional !== undefined) {
    if (additional >>> 24 !== FAMILY[6] || wanted !== undefined || reservation || reserves) return malformed
  }
  const family = wanted === undefined ? FAMILY[4] : wanted >>> 24
  if (family !== FAMILY[4] && family !== FAMILY[6]) return { error: 440, refusal: 'family' }
  return {
    family: family === FAMILY[4] ? 4 : 6,
    port: reserves ? 'pair' : even ? 'even' : 'any',
    reservation: reservation && Buffer.from(reservation),
    additional: additional !== undefined,
  }
}

/** @returns the relayed port, and the one above it where that is kept; null where there is none */
function open(
  { family, port, reservation }: Wish,
  { proved: { user } }: Request,
  { ports, reservations }: Desk,
  nowMs: number,
): { readonly relay: RelaySocket; readonly kept: RelaySocket | null } | null {
  const contract = contractOf(user)
  if (port === 'pair') {
    const pair = reservations.hasRoom(contract, nowMs) ? ports.openPair(family) : null
    return pair && { relay: pair[0], kept: pair[1] }
  }
  const relay = reservation
    ? reservations.take(reservation, contract, nowMs)
    : port === 'even'
      ? ports.openEven(family)
      : ports.open(family)
  return relay && { relay, kept: null }
}

function answer({ relay, client, reservation }: Allocation, additional: boolean): Reply {
  return {
    success: (writer: StunWriter) => {
      writer.address(ATTRIBUTE.xorRelayedAddress, relay.announced)
      writer.address(ATTRIBUTE.xorMappedAddress, client.address)
      writer.uint32(ATTRIBUTE.lifetime, LIFETIME_S)
      if (reservation) writer.add(ATTRIBUTE.reservationToken, reservation)
      if (additional) writer.add(ATTRIBUTE.addressErrorCode, Buffer.of(FAMILY[6], 0, 4, 40))
    },
  }
}
