/** CRC_32 of ISO/IEC 13818-1 annex A: polynomial 0x04c11db7, start value all ones, not reflected. */
const table = Int32Array.from({ length: 256 }, (_, index) => {
  let crc = index << 24
  for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1
  return crc
})

/** @returns 0 for a section that ends with its own intact CRC_32 */
export function crc32Mpeg(data: Uint8Array, from: number, to: number): number {
  let crc = -1
  for (let at = from; at < to; at++) crc = (crc << 8) ^ table[((crc >>> 24) ^ data[at]!) & 0xff]!
  return crc >>> 0
}
