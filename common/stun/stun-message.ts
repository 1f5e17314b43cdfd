import { crc32 } from 'node:zlib'
import {
  ATTRIBUTE,
  CLASS,
  COMPREHENSION_OPTIONAL,
  HEADER_BYTES,
  KNOWN,
  MAGIC_COOKIE,
  padded,
  TRANSACTION_BYTES,
} from './stun-types.ts'

/** FINGERPRINT is a CRC-32 with these bits flipped, RFC 8489, section 14.7. */
export const FINGERPRINT_XOR = 0x5354_554e
/** An attribute's header: type and length. */
const ATTRIBUTE_HEADER = 4
/** More attributes than any message has. */
const MAX_ATTRIBUTES = 64
/** Longest reason of an error that is read, bytes: enough for a sentence. */
const MAX_REASON = 124

/** One attribute: where its value is in the bytes that hold the message. */
export interface Attribute {
  readonly type: number
  readonly at: number
  readonly length: number
}

/** A STUN message where it was received. It is valid as long as the bytes are. */
export class StunMessage {
  readonly bytes: Buffer
  readonly start: number
  readonly length: number
  readonly #attributes: readonly Attribute[]

  private constructor(bytes: Buffer, start: number, length: number, attributes: readonly Attribute[]) {
    this.bytes = bytes
    this.start = start
    this.length = length
    this.#attributes = attributes
  }

  /**
   * Reads a whole message, as RFC 8489, section 6.3 says.
   * @returns null for what is no message: wrong length, cookie or fingerprint, or an attribute beyond the end
   */
  static read(bytes: Buffer, start: number, length: number): StunMessage | null {
    if (length < HEADER_BYTES || (bytes[start]! & 0xc0) !== 0) return null
    const body = bytes.readUInt16BE(start + 2)
    if (body !== length - HEADER_BYTES || body % 4 !== 0) return null
    if (bytes.readUInt32BE(start + 4) !== MAGIC_COOKIE) return null
    const attributes: Attribute[] = []
    const end = start + length
    // After the integrity only the stronger one and the fingerprint count: nobody vouches for anything else.
    let [integrity, stronger] = [false, false]
    for (let at = start + HEADER_BYTES; at < end; ) {
      const type = bytes.readUInt16BE(at)
      const size = bytes.readUInt16BE(at + 2)
      const value = at + ATTRIBUTE_HEADER
      const next = value + padded(size)
      if (next > end || attributes.length === MAX_ATTRIBUTES) return null
      if (type === ATTRIBUTE.fingerprint) {
        if (size !== 4 || next !== end || bytes.readUInt32BE(value) !== fingerprint(bytes, start, at))
          return null
        attributes.push({ type, at: value, length: size })
      } else if (type === ATTRIBUTE.messageIntegritySha256 && !stronger) {
        stronger = true
        attributes.push({ type, at: value, length: size })
      } else if (!integrity && !stronger) {
        integrity = type === ATTRIBUTE.messageIntegrity
        attributes.push({ type, at: value, length: size })
      }
      at = next
    }
    return new StunMessage(bytes, start, length, attributes)
  }

  get class(): number {
    return this.bytes.readUInt16BE(this.start) & CLASS.mask
  }

  get method(): number {
    return this.bytes.readUInt16BE(this.start) & ~CLASS.mask
  }

  get transaction(): Buffer {
    const at = this.start + HEADER_BYTES - TRANSACTION_BYTES
    return this.bytes.subarray(at, at + TRANSACTION_BYTES)
  }

  /** Types of attributes that the message demands us to know, and that we don't. */
  get unknown(): number[] {
    const types = this.#attributes.map(({ type }) => type)
    return [...new Set(types)].filter((type) => type < COMPREHENSION_OPTIONAL && !KNOWN.has(type))
  }

  has(type: number): boolean {
    return this.find(type) !== undefined
  }

  /** The first of its type, which counts alone. */
  find(type: number): Attribute | undefined {
    return this.#attributes.find((attribute) => attribute.type === type)
  }

  all(type: number): readonly Attribute[] {
    return this.#attributes.filter((attribute) => attribute.type === type)
  }

  /** The value of the first attribute of a type. */
  value(type: number): Buffer | null {
    const found = this.find(type)
    return found ? this.bytes.subarray(found.at, found.at + found.length) : null
  }

  /** @returns null where the attribute is missing or not UTF-8 */
  text(type: number): string | null {
    const value = this.value(type)
    if (!value) return null
    const text = value.toString('utf8')
    return Buffer.byteLength(text) === value.length ? text : null
  }

  /** ERROR-CODE, RFC 8489, section 14.8; null where it is missing or too short. */
  get error(): { readonly code: number; readonly reason: string } | null {
    const value = this.value(ATTRIBUTE.errorCode)
    if (!value || value.length < 4) return null
    return {
      code: (value[2]! & 7) * 100 + value[3]!,
      reason: value.subarray(4, 4 + MAX_REASON).toString('utf8'),
    }
  }

  /** @returns undefined where the attribute is missing, null where it has not 4 bytes */
  uint32(type: number): number | null | undefined {
    const value = this.value(type)
    if (!value) return undefined
    return value.length === 4 ? value.readUInt32BE(0) : null
  }
}

/** Of a message up to the attribute FINGERPRINT, which begins at `end`. The header's length includes the attribute. */
export function fingerprint(bytes: Buffer, start: number, end: number): number {
  return (crc32(bytes.subarray(start, end)) ^ FINGERPRINT_XOR) >>> 0
}
