/** Result of reading an Opus access unit in a PES packet; reused. */
export interface OpusAccessUnit {
  /** The Opus packet is `data[from..to)`. */
  from: number
  to: number
}

/**
 * Reads the control header at `at` and finds the Opus packet behind that header ("Opus in MPEG-TS",
 * opus_control_header).
 * @param end of the PES payload
 * @returns false when there is no whole access unit at `at`; the next one starts at `into.to`
 */
export function readOpusAccessUnit(data: Uint8Array, at: number, end: number, into: OpusAccessUnit): boolean {
  if (at + 3 > end || data[at] !== 0x7f || (data[at + 1]! & 0xe0) !== 0xe0) return false
  const flags = data[at + 1]!
  let size = 0
  let cursor = at + 2
  while (cursor < end && data[cursor] === 0xff) {
    size += 0xff
    cursor += 1
  }
  if (cursor >= end) return false
  size += data[cursor]!
  cursor += 1
  if (flags & 0x10) cursor += 2 // start_trim
  if (flags & 0x08) cursor += 2 // end_trim
  if (flags & 0x04) {
    if (cursor >= end) return false
    cursor += 1 + data[cursor]! // control_extension
  }
  if (size === 0 || cursor + size > end) return false
  into.from = cursor
  into.to = cursor + size
  return true
}

/**
 * Duration of an Opus packet in samples at 48 kHz, from its TOC byte (RFC 6716 section 3.1).
 * @returns 0 for an impossible packet
 */
export function opusSamples(data: Uint8Array, from: number, to: number): number {
  if (from >= to) return 0
  const configuration = data[from]! >> 3
  const code = data[from]! & 3
  let frames = code === 0 ? 1 : 2
  if (code === 3) {
    if (from + 1 >= to) return 0
    frames = data[from + 1]! & 0x3f
  }
  const samples = frames * frameSamples(configuration)
  return samples <= 5760 ? samples : 0
}

function frameSamples(configuration: number): number {
  if (configuration < 12) return (configuration & 3) === 3 ? 2880 : 480 << (configuration & 3)
  if (configuration < 16) return 480 << (configuration & 1)
  return 120 << (configuration & 3)
}
