/** PTS and DTS count at 90 kHz modulo 2^33 (ISO/IEC 13818-1 section 2.4.3.7): they wrap every 26.5 hours. */
const ptsModulus = 2 ** 33

/** @returns the signed distance `a - b` in ticks, in [-2^32, 2^32) */
export function ptsDifference(a: number, b: number): number {
  const difference = a - b
  if (difference >= ptsModulus / 2) return difference - ptsModulus
  if (difference < -ptsModulus / 2) return difference + ptsModulus
  return difference
}

/** @returns `pts + ticks` modulo 2^33; `ticks` may be negative */
export function addToPts(pts: number, ticks: number): number {
  const sum = (pts + ticks) % ptsModulus
  return sum < 0 ? sum + ptsModulus : sum
}
