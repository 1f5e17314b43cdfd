import { createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const HEADER_BYTES = 20
const MAGIC_COOKIE = 0x2112a442
const USERNAME = 0x0006
const MESSAGE_INTEGRITY = 0x0008
const PRIORITY = 0x0024
const USE_CANDIDATE = 0x0025
const XOR_MAPPED_ADDRESS = 0x0020
const FINGERPRINT = 0x8028
const ICE_CONTROLLING = 0x802a
/** RFC 8489 section 14.7. */
const FINGERPRINT_XOR = 0x5354554e
/** Of whoever asks. */
export const OWN_ICE: IceCredentials = { usernameFragment: 'bench', password: 'the-password-of-every-asker' }

/** A Binding request that nominates the only pair there is (RFC 8445 section 7.2.2), for an ICE-lite agent. */
export function bindingRequest({ usernameFragment, password }: IceCredentials): Buffer {
  const tieBreaker = randomBytes(8)
  const attributes = [
    attribute(USERNAME, Buffer.from(`${usernameFragment}:${OWN_ICE.usernameFragment}`)),
    attribute(PRIORITY, Buffer.from([0x6e, 0x7f, 0xff, 0xff])),
    attribute(ICE_CONTROLLING, tieBreaker),
    attribute(USE_CANDIDATE, Buffer.alloc(0)),
  ]
  return signed(BINDING_REQUEST, randomBytes(12), attributes, password)
}

/** Whether a peer checks the pair from its side, as agents do that are not lite. */
export function isBindingRequest(datagram: Buffer): boolean {
  return datagram.length >= HEADER_BYTES && datagram.readUInt16BE(0) === BINDING_REQUEST
}

/** The answer to a Binding request of an IPv4 peer (RFC 8489 section 14.2). */
export function bindingResponse(request: Buffer, from: { address: string; port: number }): Buffer {
  const mapped = Buffer.alloc(8)
  mapped[1] = 1
  mapped.writeUInt16BE(from.port ^ (MAGIC_COOKIE >>> 16), 2)
  const address = Buffer.from(from.address.split('.').map(Number)).readUInt32BE(0)
  mapped.writeUInt32BE((address ^ MAGIC_COOKIE) >>> 0, 4)
  const id = request.subarray(8, HEADER_BYTES)
  return signed(BINDING_SUCCESS, id, [attribute(XOR_MAPPED_ADDRESS, mapped)], OWN_ICE.password)
}

/** A message with its integrity, by the password of the agent that is asked, and its fingerprint. */
function signed(type: number, id: Buffer, attributes: readonly Buffer[], password: string): Buffer {
  // The length in the header counts the attribute that is being computed (RFC 8489 section 14.5).
  const before = Buffer.concat(attributes)
  const signed = Buffer.concat([header(type, id, before.length + 24), before])
  const integrity = attribute(MESSAGE_INTEGRITY, createHmac('sha1', password).update(signed).digest())
  const body = Buffer.concat([before, integrity])
  const message = Buffer.concat([header(type, id, body.length + 8), body])
  const fingerprint = Buffer.alloc(4)
  fingerprint.writeUInt32BE((crc32(message) ^ FINGERPRINT_XOR) >>> 0)
  return Buffer.concat([message, attribute(FINGERPRINT, fingerprint)])
}

/** Of the agent that is asked. */
export interface IceCredentials {
  readonly usernameFragment: string
  readonly password: string
}

function header(type: number, id: Buffer, length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(length, 2)
  bytes.writeUInt32BE(MAGIC_COOKIE, 4)
  return Buffer.concat([bytes, id])
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4)
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  value.copy(bytes, 4)
  return bytes
}
