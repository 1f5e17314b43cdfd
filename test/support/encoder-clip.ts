import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { cachedMedia } from './media-cache.ts'

const run = promisify(execFile)

/** Changed with what this file does to clips: others in the cache are of no use then. */
const VERSION = 1
const START_CODE = Buffer.from([0, 0, 0, 1])
/** NAL unit types (H.264 table 7-1). */
const [SEI, SPS, PPS, IDR] = [6, 7, 8, 5]

/** How an encoder in the field makes its stream. */
export interface Encoder {
  /** `WxH`. */
  readonly size: string
  readonly fps: number
  /** Pictures from one keyframe to the next. */
  readonly gop: number
  readonly profile: 'baseline' | 'main' | 'high'
  readonly slices?: number
  /** `once`: parameter sets come with the first keyframe alone. `behind-sei`: SEI comes before them. */
  readonly headers?: 'once' | 'behind-sei'
  readonly sound: 'opus' | 'opus-mono' | 'aac' | 'aac-44100' | 'none'
  readonly seconds: number
}

const SOUNDS = {
  opus: ['48000', 'libopus', '-ac', '2', '-frame_duration', '20'],
  'opus-mono': ['48000', 'libopus', '-ac', '1', '-frame_duration', '20'],
  aac: ['48000', 'aac', '-ac', '2'],
  'aac-44100': ['44100', 'aac', '-ac', '2'],
} as const

/**
 * Makes (or takes from the cache in the system's temporary folder) an MPEG-TS file of what an encoder sends.
 * @param seed makes the pictures different from those of other clips
 * @returns the file's path
 */
export async function encoderClip(encoder: Encoder, seed: number): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([VERSION, encoder, seed]))
    .digest('hex')
    .slice(0, 16)
  return cachedMedia(`encoder-${key}.ts`, async (path) => {
    const video = `${path}.h264`
    try {
      await ffmpeg([...encode(encoder, seed), '-f', 'h264', video])
      const units = unitsOf(await readFile(video))
      await writeFile(video, Buffer.concat(withHeaders(units, encoder.headers)))
      await ffmpeg([...multiplex(encoder, video), '-f', 'mpegts', path])
    } finally {
      await rm(video, { force: true })
    }
  })
}

const ffmpeg = (args: readonly string[]) =>
  run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args], { maxBuffer: 1 << 24 })

function encode({ size, fps, gop, profile, slices = 1, seconds }: Encoder, seed: number): string[] {
  return [
    ...['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${fps}`, '-t', String(seconds)],
    ...['-vf', `hue=h=${(seed * 37) % 360}`, '-c:v', 'libx264', '-preset', 'ultrafast', '-threads', '1'],
    ...['-pix_fmt', 'yuv420p', '-profile:v', profile, '-b:v', '900k', '-maxrate', '900k', '-bufsize', '300k'],
    '-x264-params',
    `keyint=${gop}:min-keyint=${gop}:scenecut=0:bframes=0:slices=${slices}${profile === 'baseline' ? '' : ':cabac=1'}`,
  ]
}

function multiplex({ fps, sound, seconds }: Encoder, video: string): string[] {
  const muxed = ['-t', String(seconds), '-pes_payload_size', '0', '-muxdelay', '0', '-muxpreload', '0']
  const picture = ['-r', String(fps), '-f', 'h264', '-i', video]
  if (sound === 'none') return [...picture, '-c:v', 'copy', ...muxed]
  const [rate, codec, ...options] = SOUNDS[sound]
  const tone = ['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=${rate}`]
  return [
    ...picture,
    ...tone,
    '-map',
    '0:v',
    '-map',
    '1:a',
    '-c:v',
    'copy',
    '-c:a',
    codec,
    ...options,
    ...muxed,
  ]
}

/** NAL units of an Annex B stream. */
function unitsOf(stream: Buffer): Buffer[] {
  const starts: number[] = []
  for (let at = stream.indexOf('000001', 0, 'hex'); at >= 0; at = stream.indexOf('000001', at + 3, 'hex'))
    starts.push(at + 3)
  return starts.map((start, index) => {
    let end = index + 1 < starts.length ? starts[index + 1]! - 3 : stream.length
    while (stream[end - 1] === 0) end -= 1
    return stream.subarray(start, end)
  })
}

function withHeaders(units: readonly Buffer[], headers: Encoder['headers']): Buffer[] {
  const out: Buffer[] = []
  let sets: Buffer[] = []
  let keyframes = 0
  for (const unit of units) {
    const type = unit[0]! & 0x1f
    if (type === SPS || type === PPS) {
      sets.push(unit)
      continue
    }
    if (type !== SEI || headers !== 'behind-sei') {
      if (type === IDR && sets.length > 0) keyframes += 1
      if (headers !== 'once' || keyframes < 2) out.push(...sets)
      sets = []
    }
    out.push(unit)
  }
  return out.flatMap((unit) => [START_CODE, unit])
}
