import { randomBytes } from 'node:crypto'

const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const BINDING_ERROR = 0x0111
const HEADER_BYTES = 20
const MAGIC_COOKIE = 0x2112a442
const MAPPED_ADDRESS = 0x0001
const ERROR_CODE = 0x0009
const XOR_MAPPED_ADDRESS = 0x0020
const IPV4 = 1
const IPV6 = 2

/** An address as a STUN server saw it. */
export interface MappedAddress {
  readonly address: string
  readonly port: number
}

/** A Binding request without attributes (RFC 8489 section 6). */
export function stunRequest(id = randomBytes(12)): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(BINDING_REQUEST, 0)
  header.writeUInt32BE(MAGIC_COOKIE, 4)
  return Buffer.concat([header, id])
}

/**
 * What a datagram says to a request (RFC 8489 section 7.3).
 * @returns the address; a text where the server refuses; null where the datagram is no answer to this request
 */
export function stunAnswer(datagram: Buffer, request: Buffer): MappedAddress | string | null {
  if (datagram.length < HEADER_BYTES || datagram.readUInt32BE(4) !== MAGIC_COOKIE) return null
  if (!datagram.subarray(8, HEADER_BYTES).equals(request.subarray(8, HEADER_BYTES))) return null
  const type = datagram.readUInt16BE(0)
  const length = datagram.readUInt16BE(2)
  if (length % 4 !== 0 || HEADER_BYTES + length !== datagram.length) return null
  const attributes = attributesOf(datagram)
  if (type === BINDING_ERROR) return `the STUN server answers with error ${errorCode(attributes)}`
  if (type !== BINDING_SUCCESS) return null
  const xored = attributes.get(XOR_MAPPED_ADDRESS)
  // A server of RFC 3489 knows no other (RFC 8489 section 14.1).
  const plain = attributes.get(MAPPED_ADDRESS)
  const mapped =
    (xored && addressOf(xored, datagram.subarray(4, HEADER_BYTES))) ?? (plain && addressOf(plain, null))
  return mapped ?? 'the answer of the STUN server holds no address'
}

/** The first attribute of each type. */
function attributesOf(message: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>()
  for (let at = HEADER_BYTES; at + 4 <= message.length; ) {
    const [type, length] = [message.readUInt16BE(at), message.readUInt16BE(at + 2)]
    const value = message.subarray(at + 4, at + 4 + length)
    if (value.length < length) break
    if (!found.has(type)) found.set(type, value)
    at += 4 + Math.ceil(length / 4) * 4
  }
  return found
}

/** @param mask cookie and transaction id, with which the address is masked (RFC 8489 section 14.2); null: it is not */
function addressOf(value: Buffer, mask: Buffer | null): MappedAddress | undefined {
  const bytes = value[1] === IPV4 ? 4 : value[1] === IPV6 ? 16 : 0
  if (bytes === 0 || value.length !== 4 + bytes) return undefined
  const port = value.readUInt16BE(2) ^ (mask?.readUInt16BE(0) ?? 0)
  const address = value.subarray(4).map((byte, index) => byte ^ (mask?.[index] ?? 0))
  return { address: bytes === 4 ? address.join('.') : ipv6(address), port }
}

function ipv6(bytes: Uint8Array): string {
  const view = Buffer.from(bytes)
  const groups = Array.from({ length: 8 }, (_, index) => view.readUInt16BE(index * 2).toString(16))
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}

function errorCode(attributes: ReadonlyMap<number, Buffer>): string {
  const value = attributes.get(ERROR_CODE)
  if (!value || value.length < 4) return 'without a code'
  return String((value[2]! & 7) * 100 + value[3]!)
}
