import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

const PACKET = 188
/** Where ffmpeg's multiplexer puts the first video stream. */
const VIDEO_PID = 0x100
const PTS_RANGE = 2 ** 33

/** TS packets that leave together: from the start of one picture's PES packet to the next. */
export interface ClipSlice {
  readonly ts: Buffer
  /** PTS since the clip's first picture, ms. */
  readonly atMs: number
}

/** Cuts an MPEG-TS file of {@link generateMedia} with video into the encoder's pictures. */
export async function readSlices(path: string): Promise<ClipSlice[]> {
  const bytes = await readFile(path)
  const slices: ClipSlice[] = []
  let from = 0
  let firstPts = -1
  let atMs = 0
  for (let at = 0; at < bytes.length; at += PACKET) {
    const pts = pictureStart(bytes.subarray(at, at + PACKET))
    if (pts < 0) continue
    if (firstPts >= 0) slices.push({ ts: bytes.subarray(from, at), atMs })
    else firstPts = pts
    from = at
    // The tables and the sound before the first picture go with that picture.
    if (slices.length === 0 && atMs === 0) from = 0
    atMs = ((pts - firstPts + PTS_RANGE) % PTS_RANGE) / 90
  }
  slices.push({ ts: bytes.subarray(from), atMs })
  // With B-frames, PTS go up and down: no picture leaves before its predecessor.
  let latest = 0
  return slices.map((slice) => {
    latest = Math.max(latest, slice.atMs > 1e7 ? latest : slice.atMs)
    return { ts: slice.ts, atMs: latest }
  })
}

export interface PlayOptions {
  readonly signal: AbortSignal
  /** Leaves out what comes before, ms. */
  readonly fromMs?: number
  /** Times real time; default 1. */
  readonly speed?: number
}

/** Writes slices as a live encoder would; resolves when they are over, or with the signal. */
export async function play(
  slices: readonly ClipSlice[],
  write: (ts: Buffer) => void,
  { signal, fromMs = 0, speed = 1 }: PlayOptions,
): Promise<void> {
  const startedAt = performance.now()
  for (const { ts, atMs } of slices) {
    if (atMs < fromMs) continue
    const early = startedAt + (atMs - fromMs) / speed - performance.now()
    if (early > 1) await delay(early, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    write(ts)
  }
}

/** The PTS of the video PES packet that starts in this TS packet, or -1. */
function pictureStart(packet: Buffer): number {
  const pid = packet.readUInt16BE(1) & 0x1fff
  if (pid !== VIDEO_PID || (packet[1]! & 0x40) === 0) return -1
  const adaptation = (packet[3]! & 0x20) === 0 ? 0 : 1 + packet[4]!
  const pes = packet.subarray(4 + adaptation)
  if (pes.length < 14 || pes.readUIntBE(0, 3) !== 1 || (pes[7]! & 0x80) === 0) return -1
  const high = (pes[9]! >> 1) & 0x07
  return high * 2 ** 30 + (pes.readUInt16BE(10) >> 1) * 2 ** 15 + (pes.readUInt16BE(12) >> 1)
}
