import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Length of the clip. A round ends earlier, so that no sender ever loops. */
export const CLIP_SECONDS = 45
export const CLIP_KBPS = 6000
const FPS = 30
const GOP = 15

const PACKET = 188
/** Where ffmpeg's multiplexer puts the first video and the first audio stream. */
const VIDEO_PID = 0x100
const AUDIO_PID = 0x101
const PTS_WRAP = 2 ** 33

/** Bytes at the end of an access unit that identify it: they are entropy-coded noise. */
export const KEY_BYTES = 32

/** One PES packet with the tables in front of it: what leaves the encoder at one moment. */
export interface PacedUnit {
  /** Whole TS packets. */
  readonly ts: Buffer
  /** When it leaves, in ms after the clip's first unit. */
  readonly atMs: number
  /** The last bytes of a picture's access unit, hexadecimal; undefined for sound. */
  readonly key: string | undefined
}

/**
 * Makes (once, cached in the system's temporary folder) the benchmark's field stream: 720p30 H.264 without
 * B-frames at a true 6 Mb/s, because noise cannot be compressed away, and Opus.
 */
export async function makeClip(): Promise<string> {
  const args = clipArguments()
  const hash = createHash('sha256').update(args.join('\0')).digest('hex').slice(0, 16)
  const folder = join(tmpdir(), 'lanecast-bench')
  const path = join(folder, `clip-${hash}.ts`)
  if (existsSync(path)) return path
  await mkdir(folder, { recursive: true })
  const partial = `${path}.${process.pid}.part`
  try {
    await run('ffmpeg', [...args, partial])
    await rename(partial, path)
  } finally {
    await rm(partial, { force: true })
  }
  return path
}

function clipArguments(): string[] {
  const picture = `testsrc2=size=1280x720:rate=${FPS},noise=alls=12:allf=t,format=yuv420p`
  // Half a second of VBV: each second has the bitrate, and keyframes may still be larger.
  const rate = ['-b:v', `${CLIP_KBPS}k`, '-maxrate', `${CLIP_KBPS}k`, '-bufsize', `${CLIP_KBPS / 2}k`]
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-y'],
    ...['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'],
    ...['-map', '0:v', '-map', '1:a', '-t', String(CLIP_SECONDS)],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline'],
    ...['-x264-params', `sliced-threads=0:threads=${availableParallelism()}:sync-lookahead=0:rc-lookahead=0`],
    ...['-bf', '0', '-g', String(GOP), '-keyint_min', String(GOP), '-sc_threshold', '0', ...rate],
    ...['-c:a', 'libopus', '-b:a', '64k', '-ac', '2', '-frame_duration', '20'],
    // Like the field sender's multiplex: each unit in a PES packet of its own, with its length where it fits.
    ...['-f', 'mpegts', '-muxdelay', '0', '-muxpreload', '0', '-pes_payload_size', '16'],
    ...['-omit_video_pes_length', '0', '-pat_period', '0.2'],
  ]
}

/** Cuts a clip into the units that a sender paces. */
export async function readClip(path: string): Promise<PacedUnit[]> {
  const bytes = await readFile(path)
  const starts: number[] = []
  let tables = -1
  for (let at = 0; at < bytes.length; at += PACKET) {
    const media = pidOf(bytes, at) === VIDEO_PID || pidOf(bytes, at) === AUDIO_PID
    if (!media && tables < 0) tables = at
    if (media && (bytes[at + 1]! & 0x40) !== 0) starts.push(tables < 0 ? at : tables)
    if (media) tables = -1
  }
  let first: number | undefined
  let latest = 0
  return starts.map((start, index) => {
    const ts = bytes.subarray(start, starts[index + 1] ?? bytes.length)
    const { pid, decodeTime } = unitHead(ts)
    first ??= decodeTime
    // Sound is multiplexed slightly out of order with pictures. A late unit goes at once.
    latest = Math.max(latest, ((decodeTime - first + PTS_WRAP) % PTS_WRAP) / 90)
    return { ts, atMs: latest, key: pid === VIDEO_PID ? lastBytes(ts) : undefined }
  })
}

function pidOf(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at + 1) & 0x1fff
}

/** Where the payload of the TS packet at `at` begins; ISO/IEC 13818-1 section 2.4.3.2. */
function payloadOf(bytes: Buffer, at: number): number {
  return at + 4 + ((bytes[at + 3]! & 0x20) === 0 ? 0 : 1 + bytes[at + 4]!)
}

/** The stream and the DTS, or else PTS, of the unit's PES packet; section 2.4.3.6. */
function unitHead(ts: Buffer): { pid: number; decodeTime: number } {
  for (let at = 0; at < ts.length; at += PACKET) {
    const pid = pidOf(ts, at)
    if (pid !== VIDEO_PID && pid !== AUDIO_PID) continue
    const pes = payloadOf(ts, at)
    const field = pes + ((ts[pes + 7]! & 0x40) === 0 ? 9 : 14)
    const high = ((ts[field]! >> 1) & 7) * 2 ** 30
    const middle = (ts.readUInt16BE(field + 1) >> 1) * 2 ** 15
    return { pid, decodeTime: high + middle + (ts.readUInt16BE(field + 3) >> 1) }
  }
  throw new Error('the clip has a unit without a PES packet')
}

function lastBytes(ts: Buffer): string {
  const payloads: Buffer[] = []
  for (let at = ts.length - PACKET, count = 0; at >= 0 && count < KEY_BYTES; at -= PACKET) {
    if (pidOf(ts, at) !== VIDEO_PID) continue
    const payload = ts.subarray(payloadOf(ts, at), at + PACKET)
    payloads.unshift(payload)
    count += payload.length
  }
  return Buffer.concat(payloads).subarray(-KEY_BYTES).toString('hex')
}
