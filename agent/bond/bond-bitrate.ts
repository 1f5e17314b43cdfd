/** Growth of the bitrate: so much, and this share, every 500 ms. */
const GROWTH = { kbps: 60, share: 0.06 }

/**
 * The bitrate that follows a bond's capacity: down at once, up gently.
 *
 * @param targetKbps the bitrate now
 * @param capacityKbps what the bond carries of media
 */
export function bitrateStep(
  targetKbps: number,
  capacityKbps: number,
  { min, max }: { readonly min: number; readonly max: number },
  stepMs: number,
): number {
  const bounded = Math.min(max, Math.max(min, capacityKbps))
  if (bounded <= targetKbps) return bounded
  return Math.min(bounded, targetKbps + ((GROWTH.kbps + GROWTH.share * targetKbps) * stepMs) / 500)
}
