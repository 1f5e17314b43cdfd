import { isJpeg, readJpeg } from './jpeg-file.ts'
import { type PictureFile, unusable } from './picture-file.ts'
import { isPng, readPng } from './png-file.ts'

/** Most pixels of an uploaded picture. The decoder's memory goes by them. */
const MAX_UPLOAD_PIXELS = 24_000_000
/** Longest side of an uploaded picture, pixels. */
const MAX_UPLOAD_SIDE = 16_384

/**
 * Reads what a decoder must know of a PNG or JPEG, and bounds it, without decoding a pixel. It takes a ms for each MB.
 * @throws CodedError `slate_invalid` (400) for another file, a damaged or animated one, CMYK, or too many pixels
 */
export function readPicture(bytes: Buffer): PictureFile {
  const file = isPng(bytes) ? readPng(bytes) : isJpeg(bytes) ? readJpeg(bytes) : null
  if (!file) throw unusable('it is neither PNG nor JPEG', 'body: must be one picture, PNG or JPEG')
  const { width, height } = file
  if (width < 1 || height < 1) throw unusable('it has no pixels', 'body: a picture of 1x1 pixels or more')
  if (width * height > MAX_UPLOAD_PIXELS || Math.max(width, height) > MAX_UPLOAD_SIDE)
    throw unusable(
      `it has ${width}x${height} pixels`,
      `body: at most ${MAX_UPLOAD_PIXELS / 1e6} million pixels, and ${MAX_UPLOAD_SIDE} a side; 1920x1080 is plenty`,
    )
  return file
}
