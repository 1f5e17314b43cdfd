/** The tag of the orientation, EXIF 2.32 section 4.6.4. */
const ORIENTATION = 0x0112
/** Type of a 16-bit number. */
const SHORT = 3
/** Most entries of the directory that are looked at. */
const MAX_ENTRIES = 500

/**
 * How a camera was held: 1 to 8. @param body of an APP1 segment
 * @returns null where the segment is not EXIF, or does not say
 */
export function exifOrientation(body: Buffer): number | null {
  if (body.subarray(0, 6).toString('latin1') !== 'Exif\0\0') return null
  const tiff = body.subarray(6)
  const order = tiff.subarray(0, 2).toString('latin1')
  if (tiff.length < 8 || (order !== 'II' && order !== 'MM')) return null
  const short = (at: number) => (order === 'II' ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
  const long = (at: number) => (order === 'II' ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at))
  const directory = long(4)
  if (short(2) !== 42 || directory + 2 > tiff.length) return null
  const count = Math.min(short(directory), MAX_ENTRIES, Math.floor((tiff.length - directory - 2) / 12))
  for (let index = 0; index < count; index += 1) {
    const entry = directory + 2 + index * 12
    if (short(entry) !== ORIENTATION || short(entry + 2) !== SHORT) continue
    const value = short(entry + 8)
    return value >= 1 && value <= 8 ? value : null
  }
  return null
}
