/** An RTP packet taken apart, for looking at what the ingress sent. */
export interface RtpPacket {
  readonly ssrc: number
  readonly payloadType: number
  readonly sequence: number
  readonly timestamp: number
  readonly marker: boolean
  /** One-byte header extensions by id. */
  readonly extensions: ReadonlyMap<number, Buffer>
  readonly payload: Buffer
  readonly bytes: number
}

/** Parses RTP; throws on anything that is not well formed. */
export function parseRtp(packet: Buffer): RtpPacket {
  if (packet[0]! >> 6 !== 2) throw new Error('not RTP')
  let at = 12
  const extensions = new Map<number, Buffer>()
  if (packet[0]! & 0x10) {
    if (packet.readUInt16BE(12) !== 0xbede) throw new Error('not a one-byte header extension')
    const end = 16 + packet.readUInt16BE(14) * 4
    for (at = 16; at < end; ) {
      const id = packet[at]! >> 4
      if (id === 0) {
        at += 1
        continue
      }
      const length = (packet[at]! & 0x0f) + 1
      extensions.set(id, Buffer.from(packet.subarray(at + 1, at + 1 + length)))
      at += 1 + length
    }
    if (at !== end) throw new Error('an extension runs over its block')
  }
  return {
    ssrc: packet.readUInt32BE(8),
    payloadType: packet[1]! & 0x7f,
    sequence: packet.readUInt16BE(2),
    timestamp: packet.readUInt32BE(4),
    marker: (packet[1]! & 0x80) !== 0,
    extensions,
    payload: Buffer.from(packet.subarray(at)),
    bytes: packet.length,
  }
}

/** NAL units of one RTP timestamp. */
export interface ReceivedUnit {
  readonly timestamp: number
  readonly nals: Buffer[]
}

/** RFC 6184 depacketizer, strict: every fragment in order, the marker exactly on a unit's last packet. */
export function depacketizeH264(
  packets: readonly Pick<RtpPacket, 'timestamp' | 'marker' | 'payload'>[],
): ReceivedUnit[] {
  const units: ReceivedUnit[] = []
  let unit: ReceivedUnit | null = null
  let fragments: Buffer[] = []
  for (const { timestamp, marker, payload } of packets) {
    unit ??= { timestamp, nals: [] }
    if (unit.timestamp !== timestamp) throw new Error('no marker at the end of a unit')
    const type = payload[0]! & 0x1f
    if (type === 28) {
      const fu = payload[1]!
      if (fu & 0x80) {
        if (fragments.length > 0) throw new Error('a fragment starts inside another')
        fragments = [Buffer.from([(payload[0]! & 0xe0) | (fu & 0x1f)])]
      } else if (fragments.length === 0) throw new Error('a fragment without start')
      fragments.push(payload.subarray(2))
      if (fu & 0x40) {
        unit.nals.push(Buffer.concat(fragments))
        fragments = []
      }
    } else if (fragments.length > 0) throw new Error('a fragment without end')
    else if (type === 24) {
      for (let at = 1; at < payload.length; ) {
        const size = payload.readUInt16BE(at)
        if (at + 2 + size > payload.length) throw new Error('an aggregate runs over its packet')
        unit.nals.push(payload.subarray(at + 2, at + 2 + size))
        at += 2 + size
      }
    } else unit.nals.push(payload)
    if (marker) {
      units.push(unit)
      unit = null
    }
  }
  return units
}

/** The received byte stream (annex B). */
export function toAnnexB(units: readonly ReceivedUnit[]): Buffer {
  const startCode = Buffer.from([0, 0, 0, 1])
  return Buffer.concat(units.flatMap(({ nals }) => nals.flatMap((nal) => [startCode, nal])))
}
