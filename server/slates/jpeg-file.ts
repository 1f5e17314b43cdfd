import { exifOrientation } from './exif-orientation.ts'
import { type PictureFile, unusable } from './picture-file.ts'

/** Second bytes of markers, ITU-T T.81 table B.1. */
const SOI = 0xd8
const EOI = 0xd9
const SOS = 0xda
const DHT = 0xc4
const JPG = 0xc8
const DAC = 0xcc
const APP0 = 0xe0
const APP1 = 0xe1
const APP14 = 0xee
const COM = 0xfe
/** Most segments; a progressive JPEG has about 30. */
const MAX_SEGMENTS = 5000
/** Frames that browsers and ffmpeg decode: baseline, extended and progressive, with Huffman codes. */
const TAKEN: ReadonlySet<number> = new Set([0xc0, 0xc1, 0xc2])

export function isJpeg(bytes: Buffer): boolean {
  return bytes[0] === 0xff && bytes[1] === SOI && bytes[2] === 0xff
}

/**
 * Reads the segments of a JPEG (ITU-T T.81 annex B) up to its end. What is behind it, as phones put there, is left out.
 * @throws CodedError `slate_invalid` (400)
 */
export function readJpeg(bytes: Buffer): PictureFile {
  const kept: Buffer[] = [bytes.subarray(0, 2)]
  let size: { width: number; height: number } | null = null
  let orientation = 1
  let scans = 0
  for (let at = 2, segments = 0; ; segments += 1) {
    if (segments > MAX_SEGMENTS)
      throw unusable('it is in too many pieces', `body: at most ${MAX_SEGMENTS} segments`)
    if (at + 2 > bytes.length) throw truncated()
    if (bytes[at] !== 0xff) throw damaged(at)
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at += 1 // fill bytes, section B.1.1.2
      continue
    }
    if (marker === EOI) break
    if (at + 4 > bytes.length) throw truncated()
    const end = at + 2 + bytes.readUInt16BE(at + 2)
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= SOI) || end < at + 4) throw damaged(at)
    if (end > bytes.length) throw truncated()
    const body = bytes.subarray(at + 4, end)
    if (isFrame(marker)) {
      if (size) throw damaged(at)
      size = readFrame(marker, body)
    }
    if (marker === APP1) orientation = exifOrientation(body) ?? orientation
    if (keeps(marker, body)) kept.push(bytes.subarray(at, end))
    at = end
    if (marker !== SOS) continue
    if (!size) throw damaged(at)
    scans += 1
    const next = endOfScan(bytes, at)
    kept.push(bytes.subarray(at, next))
    at = next
  }
  if (!size || scans === 0) throw unusable('it has no pixels', 'body: a JPEG with a picture')
  return { type: 'jpeg', ...size, orientation, bytes: Buffer.concat([...kept, Buffer.from([0xff, EOI])]) }
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![DHT, JPG, DAC].includes(marker)
}

/** Section B.2.2. */
function readFrame(marker: number, body: Buffer) {
  if (!TAKEN.has(marker) || body[0] !== 8)
    throw unusable(
      'no browser shows this kind of JPEG',
      'body: baseline or progressive, 8 bits, Huffman codes',
    )
  const components = body[5]
  if (body.length < 6 || body.length < 6 + 3 * components!) throw truncated()
  if (components === 4) throw unusable('its colours are for print (CMYK)', 'body: save it as RGB or grey')
  if (components !== 1 && components !== 3)
    throw unusable(`it has ${components} components`, 'body: a picture in colours or grey')
  return { height: body.readUInt16BE(1), width: body.readUInt16BE(3) }
}

/** Adobe's segment says how colours are to be read. Other applications' segments, and comments, say nothing of the picture. */
function keeps(marker: number, body: Buffer): boolean {
  if (marker === APP14) return body.subarray(0, 5).toString('latin1') === 'Adobe'
  return marker !== COM && (marker < APP0 || marker > 0xef)
}

/** Where the coded data of a scan ends: at a marker that is no restart and no stuffed byte, section B.1.1.5. */
function endOfScan(bytes: Buffer, from: number): number {
  for (let at = from; at + 1 < bytes.length; at += 1) {
    if (bytes[at] !== 0xff) continue
    const next = bytes[at + 1]!
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at
  }
  throw truncated()
}

function damaged(at: number) {
  return unusable('it is damaged', `body: a JPEG whose segments are whole; there is none at byte ${at}`)
}

function truncated() {
  return unusable('it is cut off', 'body: a whole JPEG, down to its end marker')
}
