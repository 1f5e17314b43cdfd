/** TLS records and the messages in them, RFC 8446, sections 4.1.2, 4.2 and 5.1. */
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const VERSION_AND_RANDOM = 34
const ALPN = 16

/**
 * Whether a client offers protocols by ALPN (RFC 7301).
 * @param bytes the beginning of what the client sends
 * @returns null where more bytes must come first; true for what is no ClientHello, or one in several records
 */
export function offersProtocols(bytes: Buffer): boolean | null {
  if (bytes.length < RECORD_HEADER + MESSAGE_HEADER)
    return bytes.length > 0 && bytes[0] !== HANDSHAKE ? true : null
  if (bytes[0] !== HANDSHAKE || bytes[RECORD_HEADER] !== CLIENT_HELLO) return true
  const record = bytes.readUInt16BE(3)
  const message = bytes.readUIntBE(RECORD_HEADER + 1, 3)
  if (message + MESSAGE_HEADER > record) return true
  const end = RECORD_HEADER + MESSAGE_HEADER + message
  if (bytes.length < end) return null
  return hasExtension(bytes.subarray(RECORD_HEADER + MESSAGE_HEADER, end), ALPN)
}

/** True also where the lengths in the message contradict each other: TLS itself refuses it. */
function hasExtension(hello: Buffer, type: number): boolean {
  try {
    let at = VERSION_AND_RANDOM
    at += 1 + hello.readUInt8(at) // session id
    at += 2 + hello.readUInt16BE(at) // cipher suites
    at += 1 + hello.readUInt8(at) // compression
    if (at === hello.length) return false
    const end = at + 2 + hello.readUInt16BE(at)
    for (at += 2; at < end; at += 4 + hello.readUInt16BE(at + 2))
      if (hello.readUInt16BE(at) === type) return true
    return false
  } catch {
    return true
  }
}
