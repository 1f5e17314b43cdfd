import type { PictureSize } from '../../policy/viewed-stream.ts'

/** Pixels of the longer side. The renderer scales the picture up smoothly: it has nothing but slow changes. */
const LONG_SIDE = 64
/** The dark at the edges of our picture, and behind pictures that are transparent: red, green and blue. */
export const GROUND = [11, 15, 21] as const
/** What the light in the middle adds. */
const LIGHT = [22, 33, 48] as const

export interface RawPicture extends PictureSize {
  /** Red, green and blue, a byte each. */
  readonly rgb: Uint8Array
}

/** The ground of the slate that we made: night, with a soft light behind the words. */
export function ownPicture({ width, height }: PictureSize): RawPicture {
  const scale = LONG_SIDE / Math.max(width, height)
  const [wide, tall] = [Math.max(2, Math.round(width * scale)), Math.max(2, Math.round(height * scale))]
  const rgb = new Uint8Array(wide * tall * 3)
  for (let y = 0; y < tall; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const [dx, dy] = [((x + 0.5) / wide - 0.5) * 1.5, ((y + 0.5) / tall - 0.44) * 1.7]
      const light = Math.exp(-3.2 * (dx * dx + dy * dy))
      for (let channel = 0; channel < 3; channel += 1)
        rgb[(y * wide + x) * 3 + channel] = Math.round(GROUND[channel]! + LIGHT[channel]! * light)
    }
  }
  return { width: wide, height: tall, rgb }
}
