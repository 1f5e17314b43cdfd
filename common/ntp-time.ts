/** Seconds between the NTP epoch (1900) and the Unix epoch (1970), RFC 5905 section 6. */
const ntpUnixOffsetSeconds = 2_208_988_800

/**
 * Writes a 64-bit NTP timestamp (UQ32.32, RFC 5905 section 6) of a Unix time.
 * @param unixMs milliseconds since 1970, may be fractional
 */
export function writeNtpTime(target: Uint8Array, offset: number, unixMs: number): void {
  const whole = Math.floor(unixMs / 1000)
  let seconds = whole + ntpUnixOffsetSeconds
  let fraction = Math.round(((unixMs - whole * 1000) / 1000) * 2 ** 32)
  if (fraction >= 2 ** 32) {
    fraction = 0
    seconds += 1
  }
  writeUint32(target, offset, seconds)
  writeUint32(target, offset + 4, fraction)
}

/** Reads a 64-bit NTP timestamp as Unix milliseconds (fractional; good to about 1 us in this century). */
export function readNtpTime(source: Uint8Array, offset: number): number {
  return unixMsOfNtp(readUint32(source, offset), readUint32(source, offset + 4))
}

/** Converts the two halves of an NTP timestamp to Unix milliseconds. */
export function unixMsOfNtp(seconds: number, fraction: number): number {
  return (seconds - ntpUnixOffsetSeconds) * 1000 + (fraction / 2 ** 32) * 1000
}

/** Writes the low 32 bits of a non-negative whole number, big endian. */
function writeUint32(target: Uint8Array, offset: number, value: number): void {
  const low = value % 2 ** 32
  target[offset] = (low / 2 ** 24) & 0xff
  target[offset + 1] = (low >>> 16) & 0xff
  target[offset + 2] = (low >>> 8) & 0xff
  target[offset + 3] = low & 0xff
}

function readUint32(source: Uint8Array, offset: number): number {
  return (
    source[offset]! * 2 ** 24 +
    ((source[offset + 1]! << 16) | (source[offset + 2]! << 8) | source[offset + 3]!)
  )
}
