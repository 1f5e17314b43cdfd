import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { StunMessage } from './stun-message.ts'
import { ATTRIBUTE, HEADER_BYTES } from './stun-types.ts'

/** Proof that whoever knows the password wrote a message: RFC 8489, sections 14.5 and 14.6. */
export type Integrity = 'sha1' | 'sha256'

export const INTEGRITY = {
  sha1: { type: ATTRIBUTE.messageIntegrity, bytes: 20, atLeast: 20 },
  /** It may be cut to any multiple of 4 bytes from 16 on. */
  sha256: { type: ATTRIBUTE.messageIntegritySha256, bytes: 32, atLeast: 16 },
} as const

/** The key of a user with a password, RFC 8489, section 9.2.2: MD5, or SHA-256 where the client chose that. */
export function longTermKey(
  algorithm: 'md5' | 'sha256',
  username: string,
  realm: string,
  password: string,
): Buffer {
  return createHash(algorithm).update(`${username}:${realm}:${password}`).digest()
}

/** The stronger proof that a message has; null where it has none. */
export function integrityOf(message: StunMessage): Integrity | null {
  if (message.has(ATTRIBUTE.messageIntegritySha256)) return 'sha256'
  return message.has(ATTRIBUTE.messageIntegrity) ? 'sha1' : null
}

/** Whether the message's proof of this kind was made with the key. */
export function proves(message: StunMessage, integrity: Integrity, key: Buffer): boolean {
  const { type, bytes, atLeast } = INTEGRITY[integrity]
  const found = message.find(type)
  if (!found || found.length > bytes || found.length < atLeast || found.length % 4 !== 0) return false
  const end = found.at - 4
  const right = proof(message.bytes, message.start, end, end + 4 + found.length, integrity, key)
  return timingSafeEqual(
    right.subarray(0, found.length),
    message.bytes.subarray(found.at, found.at + found.length),
  )
}

/**
 * @param end of what is proved: where the attribute's header begins
 * @param until the end of the attribute: the header's length counts up to here, whatever comes behind
 */
export function proof(
  bytes: Buffer,
  start: number,
  end: number,
  until: number,
  integrity: Integrity,
  key: Buffer,
): Buffer {
  const header = Buffer.from(bytes.subarray(start, start + HEADER_BYTES))
  header.writeUInt16BE(until - start - HEADER_BYTES, 2)
  return createHmac(integrity, key)
    .update(header)
    .update(bytes.subarray(start + HEADER_BYTES, end))
    .digest()
}
