import { randomBytes } from 'node:crypto'

/** RFC 8489, section 5: magic cookie, and methods with their classes. */
const MAGIC_COOKIE = 0x2112a442
const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
export const STUN_HEADER_BYTES = 20
const TRANSACTION_BYTES = 12

/** A Binding request without attributes: all that a server needs to show that it lives. */
export function bindingProbe(): Buffer {
  const request = Buffer.alloc(STUN_HEADER_BYTES)
  request.writeUInt16BE(BINDING_REQUEST, 0)
  request.writeUInt32BE(MAGIC_COOKIE, 4)
  randomBytes(TRANSACTION_BYTES).copy(request, 8)
  return request
}

/** Whether bytes begin with a success to this request. An error is no sign that a server works. */
export function answersProbe(request: Buffer, answer: Buffer): boolean {
  return (
    answer.length >= STUN_HEADER_BYTES &&
    answer.readUInt16BE(0) === BINDING_SUCCESS &&
    answer.subarray(4, STUN_HEADER_BYTES).equals(request.subarray(4))
  )
}
