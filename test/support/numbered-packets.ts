import { createHash } from 'node:crypto'
import type { types } from 'mediasoup'

export const NUMBERED_CODECS: types.RouterRtpCodecCapability[] = [
  { kind: 'video', mimeType: 'video/VP8', clockRate: 90_000, preferredPayloadType: 100 },
]
const PAYLOAD_TYPE = 100
const SSRC = 1111

/** A producer of VP8 whose packets tell their number. Each counts as a keyframe, so viewers may join at any time. */
export class NumberedPackets {
  readonly producer: types.Producer
  sent = 0

  private constructor(producer: types.Producer) {
    this.producer = producer
  }

  static async open(router: types.Router): Promise<NumberedPackets> {
    const direct = await router.createDirectTransport()
    const producer = await direct.produce({
      kind: 'video',
      rtpParameters: {
        codecs: [
          {
            mimeType: 'video/VP8',
            payloadType: PAYLOAD_TYPE,
            clockRate: 90_000,
            rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
          },
        ],
        encodings: [{ ssrc: SSRC }],
      },
    })
    return new NumberedPackets(producer)
  }

  send(): void {
    const packet = Buffer.alloc(12)
    packet.writeUInt16BE(0x8080 | PAYLOAD_TYPE, 0)
    packet.writeUInt16BE(this.sent & 0xffff, 2)
    packet.writeUInt32BE((this.sent * 90) >>> 0, 4)
    packet.writeUInt32BE(SSRC, 8)
    this.producer.send(Buffer.concat([packet, payloadOf(this.sent)]))
    this.sent += 1
  }
}

const LONGEST_BYTES = 1100

/** The payload of a packet, of another length each: a VP8 descriptor, a keyframe's first byte, the number, and noise. */
export function payloadOf(number: number): Buffer {
  const payload = Buffer.alloc(60 + ((number * 397) % (LONGEST_BYTES - 60)))
  const noise = createHash('sha256').update(String(number)).digest()
  for (let at = 10; at < payload.length; at += noise.length) noise.copy(payload, at)
  payload[0] = 0x10
  payload.writeUInt32BE(number, 2)
  payload[6] = 0x9d
  payload[7] = 0x01
  payload[8] = 0x2a
  return payload
}

export const numberOf = (payload: Buffer): number => payload.readUInt32BE(2)
