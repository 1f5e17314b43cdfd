import { crc32Mpeg } from '../../../common/mpegts/crc32.ts'

/** An elementary stream of a written PMT. */
export interface WrittenStream {
  readonly pid: number
  readonly streamType: number
  readonly descriptors?: readonly number[]
}

export interface PesOptions {
  readonly pts?: number
  /** Write PES_packet_length. */
  readonly withLength?: boolean
  readonly streamId?: number
  /** Bytes of payload per TS packet, at most 184: less than that pads every packet. */
  readonly fill?: number
  readonly discontinuity?: boolean
}

/** Writes transport packets by hand, so that a test can make streams no muxer makes. */
export class TsWriter {
  readonly #counters = new Map<number, number>()

  pat(programs: readonly (readonly [number, number])[], version = 0): Buffer {
    const body = programs.flatMap(([number, pid]) => [
      number >> 8,
      number & 0xff,
      0xe0 | (pid >> 8),
      pid & 0xff,
    ])
    return this.section(0, 0x00, 1, version, body)
  }

  pmt(pid: number, programNumber: number, streams: readonly WrittenStream[], version = 0): Buffer {
    const body = [0xe1, 0x00, 0xf0, 0x00]
    for (const { pid: stream, streamType, descriptors = [] } of streams) {
      body.push(streamType, 0xe0 | (stream >> 8), stream & 0xff, 0xf0, descriptors.length, ...descriptors)
    }
    return this.section(pid, 0x02, programNumber, version, body)
  }

  /** A PSI section (ISO/IEC 13818-1 section 2.4.4) over as many packets as it needs. */
  section(pid: number, tableId: number, extension: number, version: number, body: readonly number[]): Buffer {
    const length = 5 + body.length + 4
    const section = Buffer.from([
      ...[tableId, 0xb0 | (length >> 8), length & 0xff, extension >> 8, extension & 0xff],
      ...[0xc1 | (version << 1), 0, 0, ...body, 0, 0, 0, 0],
    ])
    section.writeUInt32BE(crc32Mpeg(section, 0, section.length - 4), section.length - 4)
    const payload = Buffer.concat([Buffer.from([0]), section])
    const packets: Buffer[] = []
    for (let at = 0; at < payload.length; at += 184) {
      const part = Buffer.alloc(184, 0xff)
      payload.copy(part, 0, at, at + 184)
      packets.push(this.packet(pid, part, at === 0))
    }
    return Buffer.concat(packets)
  }

  pes(pid: number, payload: Uint8Array, options: PesOptions = {}): Buffer {
    const { pts, fill = 184 } = options
    const time = pts === undefined ? [] : timestamp(pts)
    const rest = 3 + time.length + payload.length
    const length = options.withLength ? rest : 0
    const unit = Buffer.concat([
      Buffer.from([0, 0, 1, options.streamId ?? 0xe0, length >> 8, length & 0xff]),
      Buffer.from([0x80, pts === undefined ? 0 : 0x80, time.length, ...time]),
      payload,
    ])
    const packets: Buffer[] = []
    for (let at = 0; at < unit.length; at += fill) {
      packets.push(
        this.packet(pid, unit.subarray(at, at + fill), at === 0, options.discontinuity && at === 0),
      )
    }
    return Buffer.concat(packets)
  }

  /** One packet, padded with an adaptation field where the payload is short. */
  packet(pid: number, payload: Uint8Array, unitStart: boolean, discontinuity = false): Buffer {
    const counter = this.#counters.get(pid) ?? 0
    this.#counters.set(pid, (counter + 1) & 0x0f)
    const packet = Buffer.alloc(188, 0xff)
    const padding = 184 - payload.length
    packet[0] = 0x47
    packet[1] = (unitStart ? 0x40 : 0) | (pid >> 8)
    packet[2] = pid & 0xff
    packet[3] = (padding > 0 ? 0x30 : 0x10) | counter
    if (padding > 0) packet[4] = padding - 1
    if (padding > 1) packet[5] = discontinuity ? 0x80 : 0
    packet.set(payload, 4 + padding)
    return packet
  }

  /** The counter of the PID's last packet. */
  lastCounter(pid: number): number {
    return ((this.#counters.get(pid) ?? 0) + 15) & 0x0f
  }

  /** Lets the next packet of the PID seem to have `packets` lost before it. */
  lose(pid: number, packets: number): void {
    this.#counters.set(pid, ((this.#counters.get(pid) ?? 0) + packets) & 0x0f)
  }
}

function timestamp(pts: number): number[] {
  const high = Math.floor(pts / 2 ** 30) & 7
  const low = pts % 2 ** 30
  return [
    ...[0x21 | (high << 1), (low >> 22) & 0xff, ((low >> 14) & 0xfe) | 1],
    ...[(low >> 7) & 0xff, ((low << 1) & 0xfe) | 1],
  ]
}
