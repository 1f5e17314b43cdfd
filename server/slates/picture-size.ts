import type { PictureSize } from '../../policy/viewed-stream.ts'

const LEAST_SIDE = 32
const MAX_SIDE = 4096
/** 3840x2160, with room for the macroblocks at its edge (H.264 level 5.1, table A-1). */
const MAX_PIXELS = 4096 * 2304

/**
 * The size in which a slate is made for a lane of this size: even, as 4:2:0 needs it, and at most what level 5.1 of H.264
 * has. A size beyond that is scaled down, and one that is no size at all becomes the nearest that is.
 */
export function slateSize({ width, height }: PictureSize): PictureSize {
  const [wide, tall] = [side(width), side(height)]
  const scale = Math.min(1, MAX_SIDE / wide, MAX_SIDE / tall, Math.sqrt(MAX_PIXELS / (wide * tall)))
  return { width: even(wide * scale), height: even(tall * scale) }
}

function side(pixels: number): number {
  return Number.isFinite(pixels) ? Math.min(Math.max(pixels, LEAST_SIDE), 65_536) : LEAST_SIDE
}

function even(pixels: number): number {
  return Math.max(LEAST_SIDE, Math.floor(pixels / 2) * 2)
}
