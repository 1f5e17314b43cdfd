/** Bytes of an RTP header without contributing sources and extension (RFC 3550 section 5.1). */
const HEADER_BYTES = 12
const EXTENSION = 0x10

/** Where the extension of a header is, or where the payload begins if there is none. */
export function extensionAt(packet: Buffer): number {
  return HEADER_BYTES + (packet[0]! & 0x0f) * 4
}

export function hasExtension(packet: Buffer): boolean {
  return (packet[0]! & EXTENSION) !== 0
}

/** Where the payload begins; behind the end of what is too short to be an RTP packet (RFC 3550 section 5.1). */
export function payloadAt(packet: Buffer): number {
  if (packet.length < HEADER_BYTES) return packet.length + 1
  const at = extensionAt(packet)
  if (!hasExtension(packet)) return at
  if (at + 4 > packet.length) return packet.length + 1
  return at + 4 + ((packet[at + 2]! << 8) | packet[at + 3]!) * 4
}
