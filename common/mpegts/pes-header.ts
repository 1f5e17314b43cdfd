/** The needed fields of a PES packet's header, ISO/IEC 13818-1 section 2.4.3.6. Reused. */
export interface PesHeader {
  /** Where the payload starts. */
  payload: number
  /** 33-bit presentation time stamp at 90 kHz, or -1. */
  pts: number
}

export type PesVerdict = 'ok' | 'malformed' | 'scrambled' | 'without-header'

/** stream_id values whose packets have no optional header (program maps, padding, private_stream_2, ECM, ...). */
const headerless: ReadonlySet<number> = new Set([0xbc, 0xbe, 0xbf, 0xf0, 0xf1, 0xf2, 0xf8, 0xff])

/** Reads the header of the whole PES packet that is `data[0..length)`. */
export function readPesHeader(data: Uint8Array, length: number, into: PesHeader): PesVerdict {
  if (length < 9 || data[0] !== 0 || data[1] !== 0 || data[2] !== 1) return 'malformed'
  if (headerless.has(data[3]!)) return 'without-header'
  if (data[6]! >> 6 !== 2) return 'malformed'
  if (data[6]! & 0x30) return 'scrambled'
  const headerLength = data[8]!
  if (9 + headerLength > length) return 'malformed'
  into.payload = 9 + headerLength
  into.pts = -1
  if (data[7]! & 0x80) {
    if (headerLength < 5 || !(data[9]! & 1) || !(data[11]! & 1) || !(data[13]! & 1)) return 'malformed'
    into.pts =
      ((data[9]! >> 1) & 7) * 2 ** 30 +
      ((data[10]! << 22) | ((data[11]! >> 1) << 15) | (data[12]! << 7) | (data[13]! >> 1))
  }
  return 'ok'
}
