/** TLS records and the messages in them, RFC 8446, sections 4.1.2, 4.2 and 5.1. */
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const RECORD_HEADER = 5
const MESSAGE_HEADER = 4
const VERSION_AND_RANDOM = 34
const ALPN = 16

/** What a client's first message shows of it. */
export interface ClientHello {
  /** By ALPN, RFC 7301. */
  readonly offersProtocols: boolean
  /** It offers cipher suites that mean nothing, RFC 8701: browsers do. */
  readonly greases: boolean
}

/** Of what is no ClientHello, is in several records, or contradicts itself: TLS itself refuses what it does not like. */
const UNKNOWN: ClientHello = { offersProtocols: true, greases: false }

/**
 * @param bytes the beginning of what a client sends
 * @returns null where more bytes must come first
 */
export function readClientHello(bytes: Buffer): ClientHello | null {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return UNKNOWN
  if (bytes.length < RECORD_HEADER + MESSAGE_HEADER) return null
  const record = bytes.readUInt16BE(3)
  const message = bytes.readUIntBE(RECORD_HEADER + 1, 3)
  if (bytes[RECORD_HEADER] !== CLIENT_HELLO || message + MESSAGE_HEADER > record) return UNKNOWN
  const end = RECORD_HEADER + MESSAGE_HEADER + message
  if (bytes.length < end) return null
  try {
    return parse(bytes.subarray(RECORD_HEADER + MESSAGE_HEADER, end))
  } catch {
    return UNKNOWN
  }
}

/** @throws RangeError where a length leads beyond the end */
function parse(hello: Buffer): ClientHello {
  let at = VERSION_AND_RANDOM
  at += 1 + hello.readUInt8(at) // session id
  const suitesEnd = at + 2 + hello.readUInt16BE(at)
  let [offersProtocols, greases] = [false, false]
  for (at += 2; at < suitesEnd; at += 2) greases ||= isGrease(hello.readUInt16BE(at))
  at += 1 + hello.readUInt8(at) // compression
  if (at === hello.length) return { offersProtocols, greases }
  const end = at + 2 + hello.readUInt16BE(at)
  for (at += 2; at < end; at += 4 + hello.readUInt16BE(at + 2))
    offersProtocols ||= hello.readUInt16BE(at) === ALPN
  return { offersProtocols, greases }
}

/** 0x0A0A, 0x1A1A and so on to 0xFAFA. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >>> 8 === (value & 0xff)
}
