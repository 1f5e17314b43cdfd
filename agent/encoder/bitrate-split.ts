/** Least bitrate of a rendition, kb/s. With less a picture is no picture. */
const FLOOR_KBPS = 100
/** Headers of TS packets: 4 bytes of 188. */
const PACKET_SHARE = 4 / 184
/** Tables and clock, kb/s. */
const TABLES_KBPS = 35
/** PES headers, and half an empty last packet for each of 30 pictures or 50 packets of sound a second, kb/s. */
const STREAM_KBPS = 27

/**
 * Splits the contract's bitrate over the renditions by their pixels, after sound and multiplex have had their share,
 * kb/s each. The share of a stopped rendition stays unused: other pictures would gain nothing from it, and the uplink
 * does.
 *
 * @param targetKbps media, kb/s
 * @param audioKbps bitrate of the sound, 0 without sound
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
