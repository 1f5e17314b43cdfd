import { createHmac } from 'node:crypto'
import test from 'ava'
import { bindingRequest, bindingResponse, isBindingRequest, OWN_ICE } from './stun-binding.ts'

test('a peer that checks the pair gets its transaction back, its address, and integrity by our password', (t) => {
  const request = bindingRequest({ usernameFragment: 'peer', password: 'password-of-the-peer' })
  t.true(isBindingRequest(request))
  const response = bindingResponse(request, { address: '192.0.2.17', port: 50_000 })
  t.false(isBindingRequest(response))
  t.is(response.readUInt16BE(0), 0x0101)
  t.is(response.readUInt16BE(2), response.length - 20)
  t.deepEqual(response.subarray(4, 20), request.subarray(4, 20))
  // RFC 8489 section 14.2: port and address, each over the magic cookie.
  t.is(response.readUInt16BE(20), 0x0020)
  t.is(response.readUInt16BE(26) ^ 0x2112, 50_000)
  t.deepEqual([...response.subarray(28, 32)], [192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xa4, 17 ^ 0x42])
  // The length that is signed ends behind the integrity, before the fingerprint (section 14.5).
  const covered = Buffer.from(response.subarray(0, 32))
  covered.writeUInt16BE(12 + 24, 2)
  const integrity = createHmac('sha1', OWN_ICE.password).update(covered).digest()
  t.deepEqual(response.subarray(36, 56), integrity)
})

test('what is too short or no STUN is no request', (t) => {
  t.false(isBindingRequest(Buffer.from([0, 1])))
  t.false(isBindingRequest(Buffer.alloc(40, 0x90)))
})
