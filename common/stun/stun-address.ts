import { Endpoint } from '../net/endpoint.ts'
import { FAMILY, HEADER_BYTES, MAGIC_COOKIE } from './stun-types.ts'

/**
 * Values of XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS and XOR-RELAYED-ADDRESS (RFC 8489, section 14.2): a zero, the family,
 * port and address, the last two mixed with cookie and transaction id, so that no NAT rewrites them.
 */

/** Of the header, what an IPv6 address is mixed with: cookie and transaction id. */
const MASK_AT = HEADER_BYTES - 16
const PORT_MASK = MAGIC_COOKIE >>> 16

export function xorAddressBytes(family: 4 | 6): number {
  return family === 4 ? 8 : 20
}

/**
 * @param start of the message
 * @param at where the value begins
 * @returns null for another length or family
 */
export function readXorAddress(bytes: Buffer, start: number, at: number, length: number): Endpoint | null {
  const family = bytes[at + 1] === FAMILY[4] ? 4 : bytes[at + 1] === FAMILY[6] ? 6 : null
  if (length < 4 || family === null || length !== xorAddressBytes(family)) return null
  const port = bytes.readUInt16BE(at + 2) ^ PORT_MASK
  const address = new Uint8Array(length - 4)
  for (let index = 0; index < address.length; index += 1)
    address[index] = bytes[at + 4 + index]! ^ bytes[start + MASK_AT + index]!
  return Endpoint.from(address, port)
}

/** Writes a value of {@link xorAddressBytes}. The message's header must be written. */
export function writeXorAddress(bytes: Buffer, start: number, at: number, endpoint: Endpoint): void {
  bytes[at] = 0
  bytes[at + 1] = FAMILY[endpoint.family]
  bytes.writeUInt16BE(endpoint.port ^ PORT_MASK, at + 2)
  const { address } = endpoint
  for (let index = 0; index < address.length; index += 1)
    bytes[at + 4 + index] = address[index]! ^ bytes[start + MASK_AT + index]!
}
