/** With fewer bits for each pixel of each picture, a picture is no picture any more. */
const LEAST_BITS = 0.03
/** A rendition that was given up comes back when the bitrate has been enough for it by this factor... */
const BACK_FACTOR = 1.25
/** ...for so long, ms. */
const BACK_AFTER_MS = 3000

export interface Shedding {
  /** How many renditions are sent, the smallest first; at least one. */
  readonly sent: number
  /** Since when the bitrate has been enough for one more; null while it is not. */
  readonly enoughSinceMs: number | null
}

export const nothingShed = (renditions: number): Shedding => ({
  sent: Math.max(1, renditions),
  enoughSinceMs: null,
})

/**
 * Which renditions a bitrate is enough for. The largest goes first: it takes most, and everybody who watches it can watch
 * a smaller one. The smallest picture and the sound stay to the last.
 *
 * @param pixels of each rendition, ascending
 */
export function shed(
  { sent, enoughSinceMs }: Shedding,
  targetKbps: number,
  { pixels, fps, soundKbps }: { pixels: readonly number[]; fps: number; soundKbps: number },
  nowMs: number,
): Shedding {
  const needed = (count: number): number =>
    soundKbps + pixels.slice(0, count).reduce((sum, each) => sum + (each * fps * LEAST_BITS) / 1000, 0)
  let fits = Math.min(sent, Math.max(1, pixels.length))
  while (fits > 1 && needed(fits) > targetKbps) fits -= 1
  if (fits < sent) return { sent: fits, enoughSinceMs: null }
  if (fits >= pixels.length || needed(fits + 1) * BACK_FACTOR > targetKbps)
    return { sent: fits, enoughSinceMs: null }
  const since = enoughSinceMs ?? nowMs
  return nowMs - since >= BACK_AFTER_MS
    ? { sent: fits + 1, enoughSinceMs: null }
    : { sent: fits, enoughSinceMs: since }
}

/**
 * The bitrate to ask of an encoder that splits it over all renditions by their pixels, so that those that are sent have
 * all of the target.
 */
export function encoderKbps(
  targetKbps: number,
  sent: number,
  pixels: readonly number[],
  soundKbps: number,
): number {
  const all = pixels.reduce((sum, each) => sum + each, 0)
  const kept = pixels.slice(0, sent).reduce((sum, each) => sum + each, 0)
  if (kept === 0 || kept === all) return Math.round(targetKbps)
  return Math.round(soundKbps + (Math.max(0, targetKbps - soundKbps) * all) / kept)
}
