import { BLACK, boxOf, drawText, type Plane, type TextLine } from '../../common/dot-font.ts'
import type { PictureSize } from '../../policy/viewed-stream.ts'
import { intraPictures } from './intra-picture.ts'
import { MAX_UNIT_BYTES } from './slate-encoder.ts'
import type { SlateWords } from './slate-words.ts'

/** Cb and Cr of the whole picture: a little blue. */
const CHROMA = [131, 126] as const
/** Characters of the font that has nothing but dots. */
const KNOWN = /[^A-Za-z0-9:._ -]/g

/**
 * A slate without ffmpeg, for machines that have none and for moments when it fails: letters of dots on black, encoded
 * here. Of a name it shows Latin letters, digits and what else ids have. It takes a few ms, also in 3840x2160.
 */
export function plainSlate(size: PictureSize, words: SlateWords): readonly Buffer[] {
  const texts = [words.name.replaceAll(KNOWN, ''), words.since, words.date]
  for (let share = 1; ; share /= 2) {
    const pictures = intraPictures(drawn(size, texts, share), CHROMA)
    if (pictures[0].length <= MAX_UNIT_BYTES || share < 0.1) return pictures
  }
}

/** @param share of the usual size of the letters */
function drawn({ width, height }: PictureSize, texts: readonly string[], share: number) {
  const luma: Plane = { data: new Uint8Array(width * height).fill(BLACK), width, height }
  const unit = Math.min(width, height) * share
  const sizes = [unit / 60, unit / 120, unit / 180]
  const lines = texts.flatMap((text, index): Omit<TextLine, 'top'>[] => {
    const widest = width / (text.length * 6 + 3)
    const dot = Math.max(1, Math.floor(Math.min(sizes[index]!, widest)))
    return text === '' ? [] : [{ text, centre: width / 2, dot }]
  })
  const tall = lines.reduce((sum, { dot }) => sum + dot * 13, 0)
  let top = Math.round((height - tall) / 2)
  const touched: [from: number, to: number][] = []
  for (const line of lines) {
    const placed = { ...line, top }
    drawText(luma, placed)
    const [, y, , boxHeight] = boxOf(placed)
    touched.push([y, y + boxHeight])
    top += line.dot * 13
  }
  return { ...luma, touched }
}
