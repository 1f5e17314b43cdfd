/** Numbers of STUN (RFC 8489) and TURN (RFC 8656). */

export const HEADER_BYTES = 20
/** Largest packet, bytes; larger ones are dropped. A network of jumbo frames has 9000. */
export const MAX_PACKET = 16_384
export const MAGIC_COOKIE = 0x2112_a442
export const TRANSACTION_BYTES = 12

/** Bits of a message's type that are its class, RFC 8489, section 5. */
export const CLASS = {
  mask: 0x0110,
  request: 0x0000,
  indication: 0x0010,
  success: 0x0100,
  error: 0x0110,
} as const

/** Types of requests and indications without the bits of the class. */
export const METHOD = {
  binding: 0x0001,
  allocate: 0x0003,
  refresh: 0x0004,
  send: 0x0006,
  data: 0x0007,
  createPermission: 0x0008,
  channelBind: 0x0009,
} as const

export const ATTRIBUTE = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  messageIntegritySha256: 0x001c,
  passwordAlgorithm: 0x001d,
  xorMappedAddress: 0x0020,
  reservationToken: 0x0022,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  passwordAlgorithms: 0x8002,
  software: 0x8022,
  fingerprint: 0x8028,
} as const

/** Who does not know an attribute below this must refuse its message (420). */
export const COMPREHENSION_OPTIONAL = 0x8000
export const KNOWN: ReadonlySet<number> = new Set(Object.values(ATTRIBUTE))

/** Codes of errors with the reason that an answer has. */
export const REASONS = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  420: 'Unknown Attribute',
  437: 'Allocation Mismatch',
  438: 'Stale Nonce',
  440: 'Address Family not Supported',
  441: 'Wrong Credentials',
  442: 'Unsupported Transport Protocol',
  443: 'Peer Address Family Mismatch',
  486: 'Allocation Quota Reached',
  508: 'Insufficient Capacity',
} as const
export type StunError = keyof typeof REASONS

/** Values of REQUESTED-ADDRESS-FAMILY, and of addresses in attributes. */
export const FAMILY = { 4: 1, 6: 2 } as const
/** Value of REQUESTED-TRANSPORT, of IANA's protocol numbers. */
export const TRANSPORT_UDP = 17
/** Of PASSWORD-ALGORITHM, RFC 8489, section 18.5. */
export const PASSWORD_ALGORITHM = { md5: 1, sha256: 2 } as const

/** Channels, as RFC 5766 allows them. RFC 8656 keeps new clients below 0x5000; older ones, coturn's too, use all. */
export const CHANNEL = { first: 0x4000, last: 0x7fff } as const
export const CHANNEL_HEADER_BYTES = 4

export function isChannel(number: number): boolean {
  return number >= CHANNEL.first && number <= CHANNEL.last
}

/** Attributes, and ChannelData over streams, are padded to 4 bytes. */
export function padded(bytes: number): number {
  return (bytes + 3) & ~3
}
