import { Endpoint } from '../../common/net/endpoint.ts'
import { answersBinding } from '../../common/stun/binding.ts'
import { readXorAddress } from '../../common/stun/stun-address.ts'
import { StunMessage } from '../../common/stun/stun-message.ts'
import { ATTRIBUTE, FAMILY } from '../../common/stun/stun-types.ts'

/** An address as a STUN server saw it. */
export interface MappedAddress {
  readonly address: string
  readonly port: number
}

/**
 * What a datagram says to a Binding request (RFC 8489, section 7.3).
 * @returns the address; a text where the server refuses; null where the datagram is no answer to this request
 */
export function stunAnswer(datagram: Buffer, request: Buffer): MappedAddress | string | null {
  const refuses = answersBinding(request, datagram, 'error')
  if (!refuses && !answersBinding(request, datagram, 'success')) return null
  const message = StunMessage.read(datagram, 0, datagram.length)
  if (!message) return null
  if (refuses) return `the STUN server answers with error ${message.error?.code ?? 'without a code'}`
  const mapped = xorMappedOf(message) ?? mappedOf(message)
  return mapped ? { address: mapped.ip, port: mapped.port } : 'the answer of the STUN server holds no address'
}

function xorMappedOf(message: StunMessage): Endpoint | null {
  const found = message.find(ATTRIBUTE.xorMappedAddress)
  return found ? readXorAddress(message.bytes, message.start, found.at, found.length) : null
}

/** A server of RFC 3489 knows no other address (RFC 8489, section 14.1). */
function mappedOf(message: StunMessage): Endpoint | null {
  const value = message.value(ATTRIBUTE.mappedAddress)
  const bytes = value?.[1] === FAMILY[4] ? 4 : value?.[1] === FAMILY[6] ? 16 : 0
  if (!value || bytes === 0 || value.length !== 4 + bytes) return null
  return Endpoint.from(value.subarray(4), value.readUInt16BE(2))
}
