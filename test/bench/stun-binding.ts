import { createHmac, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

const BINDING_REQUEST = 0x0001
const MAGIC_COOKIE = 0x2112a442
const USERNAME = 0x0006
const MESSAGE_INTEGRITY = 0x0008
const PRIORITY = 0x0024
const USE_CANDIDATE = 0x0025
const FINGERPRINT = 0x8028
const ICE_CONTROLLING = 0x802a
/** RFC 8489 section 14.7. */
const FINGERPRINT_XOR = 0x5354554e

/** A Binding request that nominates the only pair there is (RFC 8445 section 7.2.2), for an ICE-lite agent. */
export function bindingRequest({ usernameFragment, password }: IceCredentials): Buffer {
  const tieBreaker = randomBytes(8)
  const attributes = [
    attribute(USERNAME, Buffer.from(`${usernameFragment}:bench`)),
    attribute(PRIORITY, Buffer.from([0x6e, 0x7f, 0xff, 0xff])),
    attribute(ICE_CONTROLLING, tieBreaker),
    attribute(USE_CANDIDATE, Buffer.alloc(0)),
  ]
  const id = randomBytes(12)
  // The length in the header counts the attribute that is being computed (RFC 8489 section 14.5).
  const before = Buffer.concat(attributes)
  const signed = Buffer.concat([header(id, before.length + 24), before])
  const integrity = attribute(MESSAGE_INTEGRITY, createHmac('sha1', password).update(signed).digest())
  const body = Buffer.concat([before, integrity])
  const message = Buffer.concat([header(id, body.length + 8), body])
  const fingerprint = Buffer.alloc(4)
  fingerprint.writeUInt32BE((crc32(message) ^ FINGERPRINT_XOR) >>> 0)
  return Buffer.concat([message, attribute(FINGERPRINT, fingerprint)])
}

/** Of the agent that is asked. */
export interface IceCredentials {
  readonly usernameFragment: string
  readonly password: string
}

function header(id: Buffer, length: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16BE(BINDING_REQUEST, 0)
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
