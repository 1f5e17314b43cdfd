import { crc32Mpeg } from '../../common/mpegts/crc32.ts'

/** MPEG-TS, ISO/IEC 13818-1: bytes of a packet and of its header. */
const PACKET = 188
const HEADER = 4
const ROOM = PACKET - HEADER

const PMT_PID = 0x1000
const FIRST_VIDEO_PID = 0x100
const AUDIO_PID = 0x110
/** The clock has packets of its own, so that it runs on when other streams stop. */
const PCR_PID = 0x1ff
const STREAM_TYPE_H264 = 0x1b
const STREAM_TYPE_PRIVATE = 0x06
const STREAM_ID_VIDEO = 0xe0
const STREAM_ID_PRIVATE_1 = 0xbd
/** Registration descriptor `Opus`, followed by the descriptor of "Opus in MPEG-TS" (ETSI TS Opus, version 0.1.3). */
const OPUS_REGISTRATION = [0x05, 4, 0x4f, 0x70, 0x75, 0x73]

/** How often tables and clock are repeated, ms. Annex D allows at most 100 ms for the clock. */
const TABLES_EVERY_MS = 200
const CLOCK_EVERY_MS = 80
/** How far the clock is behind the time of capture, ms: so long a decoder that follows it can wait for a picture. */
const CLOCK_LAG_MS = 300
const PTS_WRAP = 2n ** 33n

export interface TsMuxerOptions {
  /** Video streams, ascending by picture size. */
  readonly renditions: number
  readonly audioChannels: 1 | 2 | null
}

/**
 * Multiplexes access units as they come. Each leaves at once, whole, and waits for no other stream. Time is Unix time
 * in nanoseconds; on the wire it is 90 kHz since 1970, modulo 2^33.
 */
export class TsMuxer {
  readonly #options: TsMuxerOptions
  readonly #counters = new Map<number, number>()
  readonly #pat: Buffer
  readonly #pmt: Buffer
  #tablesAtMs = Number.NEGATIVE_INFINITY
  #clockAtMs = Number.NEGATIVE_INFINITY

  constructor(options: TsMuxerOptions) {
    this.#options = options
    this.#pat = section(0x00, [0, 1, 0xe0 | (PMT_PID >> 8), PMT_PID & 0xff])
    this.#pmt = section(0x02, this.#programMap())
  }

  /** One H.264 access unit, Annex B. @param nowMs Unix ms */
  video(rendition: number, data: Buffer, ptsNs: bigint, nowMs: number): Buffer {
    const pes = pesOf(STREAM_ID_VIDEO, data, ptsNs)
    return this.#inPackets(FIRST_VIDEO_PID + rendition, pes, nowMs)
  }

  /** One Opus packet. @param nowMs Unix ms */
  audio(data: Buffer, ptsNs: bigint, nowMs: number): Buffer {
    const size = [...Array<number>(Math.floor(data.length / 255)).fill(255), data.length % 255]
    const control = Buffer.from([0x7f, 0xe0, ...size])
    return this.#inPackets(
      AUDIO_PID,
      pesOf(STREAM_ID_PRIVATE_1, Buffer.concat([control, data]), ptsNs),
      nowMs,
    )
  }

  /** Tables and clock if they are due, for when nothing else is sent. @param nowMs Unix ms */
  idle(nowMs: number): Buffer {
    return Buffer.concat(this.#due(nowMs))
  }

  #inPackets(pid: number, pes: Buffer, nowMs: number): Buffer {
    const due = this.#due(nowMs)
    const packets = Buffer.alloc(Math.ceil(pes.length / ROOM) * PACKET, 0xff)
    for (let at = 0, to = 0; at < pes.length; at += ROOM, to += PACKET)
      this.#writePacket(packets.subarray(to, to + PACKET), pid, pes.subarray(at, at + ROOM), at === 0)
    return due.length === 0 ? packets : Buffer.concat([...due, packets])
  }

  #due(nowMs: number): Buffer[] {
    const packets: Buffer[] = []
    if (nowMs - this.#tablesAtMs >= TABLES_EVERY_MS || nowMs < this.#tablesAtMs) {
      this.#tablesAtMs = nowMs
      packets.push(this.#tablePacket(0, this.#pat), this.#tablePacket(PMT_PID, this.#pmt))
    }
    if (nowMs - this.#clockAtMs >= CLOCK_EVERY_MS || nowMs < this.#clockAtMs) {
      this.#clockAtMs = nowMs
      packets.push(clockPacket(nowMs - CLOCK_LAG_MS))
    }
    return packets
  }

  #tablePacket(pid: number, section: Buffer): Buffer {
    const packet = Buffer.alloc(PACKET, 0xff)
    this.#writePacket(packet, pid, section, true)
    return packet
  }

  /** Writes into a packet of ones. An adaptation field in front pads what the payload leaves (section 2.4.3.5). */
  #writePacket(packet: Buffer, pid: number, payload: Buffer, unitStart: boolean): void {
    const counter = this.#counters.get(pid) ?? 0
    this.#counters.set(pid, (counter + 1) & 0x0f)
    const padding = ROOM - payload.length
    packet[0] = 0x47
    packet.writeUInt16BE((unitStart ? 0x4000 : 0) | pid, 1)
    packet[3] = (padding > 0 ? 0x30 : 0x10) | counter
    if (padding > 0) packet[4] = padding - 1
    if (padding > 1) packet[5] = 0
    packet.set(payload, HEADER + padding)
  }

  #programMap(): number[] {
    const { renditions, audioChannels } = this.#options
    const entry = (type: number, pid: number, descriptors: readonly number[]): number[] => [
      ...[type, 0xe0 | (pid >> 8), pid & 0xff, 0xf0, descriptors.length],
      ...descriptors,
    ]
    return [
      ...[0xe0 | (PCR_PID >> 8), PCR_PID & 0xff, 0xf0, 0],
      ...Array.from({ length: renditions }, (_, index) =>
        entry(STREAM_TYPE_H264, FIRST_VIDEO_PID + index, []),
      ).flat(),
      ...(audioChannels === null
        ? []
        : entry(STREAM_TYPE_PRIVATE, AUDIO_PID, [...OPUS_REGISTRATION, 0x7f, 2, 0x80, audioChannels])),
    ]
  }
}

/** A PSI section in one packet (section 2.4.4), after its pointer field, padded to a whole packet. */
function section(tableId: number, body: readonly number[]): Buffer {
  const length = 5 + body.length + 4
  const bytes = Buffer.from([
    ...[tableId, 0xb0 | (length >> 8), length & 0xff, 0, 1, 0xc1, 0, 0],
    ...body,
    ...[0, 0, 0, 0],
  ])
  bytes.writeUInt32BE(crc32Mpeg(bytes, 0, bytes.length - 4), bytes.length - 4)
  const packet = Buffer.alloc(ROOM, 0xff)
  packet[0] = 0
  packet.set(bytes, 1)
  return packet
}

/** A PES packet (section 2.4.3.6). A packet too long for its length field has no length, which only video may. */
function pesOf(streamId: number, payload: Buffer, ptsNs: bigint): Buffer {
  const rest = 3 + 5 + payload.length
  const length = rest > 0xffff ? 0 : rest
  const pts = ticksOf(ptsNs)
  const high = Number(pts >> 30n)
  const middle = Number((pts >> 15n) & 0x7fffn)
  const low = Number(pts & 0x7fffn)
  const header = Buffer.from([
    ...[0, 0, 1, streamId, length >> 8, length & 0xff, 0x84, 0x80, 5],
    ...[0x21 | (high << 1), middle >> 7, ((middle << 1) & 0xff) | 1, low >> 7, ((low << 1) & 0xff) | 1],
  ])
  return Buffer.concat([header, payload])
}

/** A packet with nothing but the clock, 33 bits at 90 kHz and nine at 27 MHz (section 2.4.3.5). */
function clockPacket(unixMs: number): Buffer {
  const packet = Buffer.alloc(PACKET, 0xff)
  packet[0] = 0x47
  packet.writeUInt16BE(PCR_PID, 1)
  packet[3] = 0x20
  packet[4] = PACKET - 5
  packet[5] = 0x10
  const base = ticksOf(BigInt(Math.round(unixMs)) * 1_000_000n)
  packet.writeUInt32BE(Number(base >> 1n), 6)
  packet[10] = (Number(base & 1n) << 7) | 0x7e
  packet[11] = 0
  return packet
}

function ticksOf(unixNs: bigint): bigint {
  return ((unixNs * 9n) / 100_000n) % PTS_WRAP
}
