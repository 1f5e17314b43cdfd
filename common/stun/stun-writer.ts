import type { Endpoint } from '../net/endpoint.ts'
import { INTEGRITY, type Integrity, proof } from './integrity.ts'
import { writeXorAddress, xorAddressBytes } from './stun-address.ts'
import { fingerprint } from './stun-message.ts'
import { ATTRIBUTE, HEADER_BYTES, MAGIC_COOKIE, padded, REASONS, type StunError } from './stun-types.ts'

/** Writes one STUN message into bytes that somebody else owns. Integrity comes behind all else but the fingerprint. */
export class StunWriter {
  readonly bytes: Buffer
  readonly start: number
  #at: number

  /** @param transaction 12 bytes, RFC 8489, section 5 */
  constructor(bytes: Buffer, start: number, type: number, transaction: Uint8Array) {
    this.bytes = bytes
    this.start = start
    bytes.writeUInt16BE(type, start)
    bytes.writeUInt32BE(MAGIC_COOKIE, start + 4)
    bytes.set(transaction, start + 8)
    this.#at = start + HEADER_BYTES
    this.#lengthen()
  }

  get length(): number {
    return this.#at - this.start
  }

  add(type: number, value: Uint8Array): this {
    this.bytes.set(value, this.#begin(type, value.length))
    return this
  }

  text(type: number, text: string): this {
    return this.add(type, Buffer.from(text))
  }

  uint32(type: number, value: number): this {
    this.bytes.writeUInt32BE(value, this.#begin(type, 4))
    return this
  }

  address(type: number, endpoint: Endpoint): this {
    writeXorAddress(this.bytes, this.start, this.#begin(type, xorAddressBytes(endpoint.family)), endpoint)
    return this
  }

  error(code: StunError, reason: string = REASONS[code]): this {
    return this.add(ATTRIBUTE.errorCode, errorValue(code, reason))
  }

  integrity(integrity: Integrity, key: Buffer): this {
    const { type, bytes } = INTEGRITY[integrity]
    const end = this.#at
    const at = this.#begin(type, bytes)
    this.bytes.set(proof(this.bytes, this.start, end, this.#at, integrity, key), at)
    return this
  }

  fingerprint(): this {
    const end = this.#at
    const at = this.#begin(ATTRIBUTE.fingerprint, 4)
    this.bytes.writeUInt32BE(fingerprint(this.bytes, this.start, end), at)
    return this
  }

  /** Adds an attribute whose value is there already, behind the place of the attribute's header. */
  inPlace(type: number, length: number): this {
    this.#begin(type, length)
    return this
  }

  /** Writes header and padding of an attribute. @returns where its value belongs */
  #begin(type: number, length: number): number {
    this.bytes.writeUInt16BE(type, this.#at)
    this.bytes.writeUInt16BE(length, this.#at + 2)
    const at = this.#at + 4
    this.#at = at + padded(length)
    this.bytes.fill(0, at + length, this.#at)
    this.#lengthen()
    return at
  }

  #lengthen(): void {
    this.bytes.writeUInt16BE(this.length - HEADER_BYTES, this.start + 2)
  }
}

/** ERROR-CODE, RFC 8489, section 14.8: hundreds and the rest in a byte each. */
function errorValue(code: StunError, reason: string): Buffer {
  return Buffer.concat([Buffer.of(0, 0, Math.floor(code / 100), code % 100), Buffer.from(reason)])
}
