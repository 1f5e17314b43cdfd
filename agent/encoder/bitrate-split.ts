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
 * had theirs, kb/s each. A rendition that is stopped leaves its share unused: its picture would gain nothing elsewhere,
 * and the uplink does.
 *
 * @param targetKbps media, kb/s
 * @param audioKbps what sound takes, 0 where there is none
 * @param pixels of each rendition
 */
export function splitBitrate(
  targetKbps: number,
  audioKbps: number,
  pixels: readonly number[],
): readonly number[] {
  const streams = pixels.length + (audioKbps > 0 ? 1 : 0)
  const media = (targetKbps - TABLES_KBPS - streams * STREAM_KBPS) / (1 + PACKET_SHARE) - audioKbps
  const total = pixels.reduce((sum, count) => sum + count, 0)
  return pixels.map((count) => Math.max(FLOOR_KBPS, Math.floor((media * count) / total)))
}
