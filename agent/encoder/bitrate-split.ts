/** Below this a picture is no picture, kb/s of each rendition. */
const FLOOR_KBPS = 100
/** Headers of TS packets: 4 bytes of 188. */
const PACKET_SHARE = 4 / 184
/** Tables and clock, kb/s. */
const TABLES_KBPS = 35
/** PES header and half an empty last packet for each of 30 pictures, or 50 packets of sound, a second, kb/s. */
const STREAM_KBPS = 27

/**
 * Splits what the contract lets the sender send over its renditions by their pixels, after sound and multiplex have
 * had theirs. What a stopped rendition would take goes to the others.
 *
 * @param targetKbps media, kb/s
 * @param audioKbps what sound takes, 0 where there is none
 * @param pixels of each rendition, ascending
 * @param wanted whether each rendition is sent
 */
export function splitBitrate(
  targetKbps: number,
  audioKbps: number,
  pixels: readonly number[],
  wanted: readonly boolean[],
): readonly number[] {
  const streams = wanted.filter(Boolean).length + (audioKbps > 0 ? 1 : 0)
  const budget = Math.max(
    0,
    (targetKbps - TABLES_KBPS - streams * STREAM_KBPS) / (1 + PACKET_SHARE) - audioKbps,
  )
  const total = pixels.reduce((sum, count, index) => sum + (wanted[index] ? count : 0), 0)
  return pixels.map((count, index) =>
    wanted[index] ? Math.max(FLOOR_KBPS, Math.floor((budget * count) / total)) : 0,
  )
}
