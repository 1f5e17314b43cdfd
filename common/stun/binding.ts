import { randomBytes } from 'node:crypto'
import { CLASS, HEADER_BYTES, MAGIC_COOKIE, METHOD, TRANSACTION_BYTES } from './stun-types.ts'

const TRANSACTION_AT = HEADER_BYTES - TRANSACTION_BYTES

/** A Binding request without attributes (RFC 8489, section 6): all that a server needs to show that it lives. */
export function bindingRequest(transaction: Uint8Array = randomBytes(TRANSACTION_BYTES)): Buffer {
  const request = Buffer.alloc(HEADER_BYTES)
  request.writeUInt16BE(METHOD.binding | CLASS.request, 0)
  request.writeUInt32BE(MAGIC_COOKIE, 4)
  request.set(transaction, TRANSACTION_AT)
  return request
}

/** Whether bytes begin with an answer of this class to the request; what stands behind the header is not looked at. */
export function answersBinding(request: Buffer, answer: Buffer, answerClass: 'success' | 'error'): boolean {
  return (
    answer.length >= HEADER_BYTES &&
    answer.readUInt16BE(0) === (METHOD.binding | CLASS[answerClass]) &&
    answer.subarray(4, HEADER_BYTES).equals(request.subarray(4))
  )
}
