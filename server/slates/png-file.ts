import { crc32 } from 'node:zlib'
import { type PictureFile, unusable } from './picture-file.ts'

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
/** Length, type and CRC of a chunk, bytes. */
const FRAME_BYTES = 12
/** Most chunks. Encoders make one for every 8 KiB, or fewer. */
const MAX_CHUNKS = 5000
/** What a decoder needs. Colour profiles, texts, times and EXIF are left out. */
const KEPT: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'])

export function isPng(bytes: Buffer): boolean {
  return bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE)
}

/**
 * Reads the chunks of a PNG (W3C PNG specification, third edition, section 5).
 * @throws CodedError `slate_invalid` (400)
 */
export function readPng(bytes: Buffer): PictureFile {
  const kept: Buffer[] = [SIGNATURE]
  let size: { width: number; height: number } | null = null
  let pixels = false
  for (let at = SIGNATURE.length, chunks = 0; ; chunks += 1) {
    if (chunks > MAX_CHUNKS) throw unusable('it is in too many pieces', `body: at most ${MAX_CHUNKS} chunks`)
    if (at + FRAME_BYTES > bytes.length) throw truncated()
    const length = bytes.readUInt32BE(at)
    const end = at + FRAME_BYTES + length
    if (end > bytes.length) throw truncated()
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (!/^[A-Za-z]{4}$/.test(type) || crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4))
      throw unusable(
        'it is damaged',
        `body: a PNG whose checksums are right; that of ${JSON.stringify(type)} is not`,
      )
    if ((size === null) !== (type === 'IHDR')) throw unusable('it is no PNG', 'body: IHDR first, and once')
    if (type === 'IHDR') {
      if (length !== 13) throw unusable('it is no PNG', 'body: IHDR of 13 bytes')
      size = { width: bytes.readUInt32BE(at + 8), height: bytes.readUInt32BE(at + 12) }
    }
    if (type === 'acTL')
      throw unusable('it is animated', 'body: a PNG of one picture, without acTL: a slate stands still')
    pixels ||= type === 'IDAT'
    if (KEPT.has(type)) kept.push(bytes.subarray(at, end))
    else if (/^[A-Z]/.test(type))
      throw unusable('it needs more than PNG', `body: no critical chunk ${JSON.stringify(type)}`)
    if (type === 'IEND') break
    at = end
  }
  if (!pixels || size === null) throw truncated()
  return { type: 'png', ...size, orientation: 1, bytes: Buffer.concat(kept) }
}

function truncated() {
  return unusable('it is cut off', 'body: a whole PNG, down to IEND')
}
