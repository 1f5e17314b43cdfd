import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { cachedMedia } from './media-cache.ts'

const run = promisify(execFile)

/** The kinds of field input that a test may ask for. */
export type MediaKind =
  | 'baseline'
  | 'high'
  | 'high-slices'
  | 'bframes'
  | 'hevc'
  | 'mpeg2'
  | 'interlaced'
  | 'yuv444'
  | 'one-keyframe'
  | 'intra-refresh'
  | 'aac'
  | 'aac-latm'
  | 'mp2'
  | 'surround'
  | 'two-renditions'
  | 'audio-only'
  | 'pts-wrap'
  | 'pes-length'
  | 'many-pids'

export interface MediaOptions {
  /** Length in seconds; default 4. */
  readonly seconds?: number
  /** Frames per second; default 30. */
  readonly fps?: number
  /** Frames between two IDR pictures; default 15. */
  readonly gop?: number
  /** `WxH` of the (largest) picture; default 320x240. */
  readonly size?: string
  /** Video bitrate in kb/s, constant with filler-free VBV; default is a constant quality. */
  readonly kbps?: number
}

/**
 * Makes (or takes from the cache in the system's temporary folder) an MPEG-TS file of a given kind.
 * All kinds have Opus stereo sound unless their name says otherwise.
 * @returns the file's path
 */
export async function generateMedia(kind: MediaKind, options: MediaOptions = {}): Promise<string> {
  const args = await argumentsFor(kind, options)
  const hash = createHash('sha256').update(args.join('\0')).digest('hex').slice(0, 16)
  return cachedMedia(`${kind}-${hash}.ts`, (path) =>
    run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args, '-f', 'mpegts', path], {
      maxBuffer: 1 << 24,
    }),
  )
}

function tools(profile: string): string {
  if (profile === 'baseline') return ''
  return profile === 'main' ? 'cabac=1:' : 'cabac=1:8x8dct=1:'
}

/** The bytes of {@link generateMedia}. */
export async function generateTs(kind: MediaKind, options: MediaOptions = {}): Promise<Buffer> {
  return readFile(await generateMedia(kind, options))
}

/** Cuts a transport stream as a RIST receiver hands it over: 7 packets of 188 bytes at a time. */
export function* chunksOf(ts: Uint8Array, bytes = 7 * 188): Generator<Uint8Array> {
  for (let at = 0; at < ts.length; at += bytes) yield ts.subarray(at, Math.min(at + bytes, ts.length))
}

async function argumentsFor(kind: MediaKind, options: MediaOptions): Promise<string[]> {
  const seconds = String(options.seconds ?? 4)
  const fps = String(options.fps ?? 30)
  const gop = String(options.gop ?? 15)
  const size = options.size ?? '320x240'
  const picture = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${fps}`]
  const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000']
  const rate =
    options.kbps === undefined
      ? []
      : [
          '-b:v',
          `${options.kbps}k`,
          '-maxrate',
          `${options.kbps}k`,
          '-bufsize',
          `${Math.ceil(options.kbps / 4)}k`,
        ]
  const x264 = (profile: string, params: string, keyint = gop): string[] => [
    ...[
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-threads',
      '1',
      '-pix_fmt',
      'yuv420p',
      '-profile:v',
      profile,
    ],
    // the fastest preset would make a Baseline stream of it
    ...[
      '-x264-params',
      `keyint=${keyint}:min-keyint=${keyint}:scenecut=0:${tools(profile)}${params}`,
      ...rate,
    ],
  ]
  const opus = [
    '-c:a',
    'libopus',
    '-b:a',
    '64k',
    '-ac',
    '2',
    '-application',
    'lowdelay',
    '-frame_duration',
    '20',
  ]
  const mux = ['-t', seconds, '-pes_payload_size', '0', '-muxdelay', '0', '-muxpreload', '0']
  const av = (video: string[], audio: string[] = opus, extra: string[] = []): string[] => [
    ...[...picture, ...tone, '-map', '0:v', '-map', '1:a', ...video, ...audio, ...mux, ...extra],
  ]
  switch (kind) {
    case 'baseline':
      return av(x264('baseline', 'bframes=0'))
    case 'high':
      return av(x264('high', 'bframes=0'))
    case 'high-slices':
      return av(x264('high', 'bframes=0:slices=4'))
    case 'bframes':
      return av(x264('main', 'bframes=3:b-adapt=0'))
    case 'hevc':
      return av(['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none'])
    case 'mpeg2':
      return av(['-c:v', 'mpeg2video', '-b:v', '1M'])
    case 'interlaced':
      return av([...x264('high', 'bframes=0:interlaced=1'), '-flags', '+ildct+ilme'])
    case 'yuv444':
      return av([...x264('high444', 'bframes=0'), '-pix_fmt', 'yuv444p'])
    case 'one-keyframe':
      return av(x264('high', 'bframes=0', '100000'))
    case 'intra-refresh':
      return av(x264('high', 'bframes=0:intra-refresh=1'))
    case 'aac':
      return av(x264('high', 'bframes=0'), ['-c:a', 'aac', '-b:a', '96k', '-ac', '2'])
    case 'aac-latm':
      return av(x264('high', 'bframes=0'), ['-c:a', 'aac', '-b:a', '96k'], ['-mpegts_flags', 'latm'])
    case 'mp2':
      return av(x264('high', 'bframes=0'), ['-c:a', 'mp2', '-b:a', '128k'])
    case 'surround':
      return av(x264('high', 'bframes=0'), [
        '-c:a',
        'libopus',
        '-b:a',
        '192k',
        '-ac',
        '6',
        '-mapping_family',
        '1',
      ])
    case 'two-renditions':
      return [
        ...[...picture, ...tone, '-filter_complex', '[0:v]split[hi][s];[s]scale=iw/2:ih/2[lo]'],
        ...['-map', '[hi]', '-map', '[lo]', '-map', '1:a'],
        ...[...x264('baseline', 'bframes=0'), ...opus, ...mux],
      ]
    case 'audio-only':
      return [...tone, '-map', '0:a', ...opus, ...mux]
    case 'pts-wrap':
      // 2^33 / 90000 = 95443.7177 s: the wrap comes about one second into the file
      return av(x264('high', 'bframes=0'), opus, ['-output_ts_offset', '95442.7'])
    case 'pes-length':
      return av(x264('high', 'bframes=0'), opus, ['-omit_video_pes_length', '0'])
    case 'many-pids': {
      const base = await generateMedia('mp2', { ...options, seconds: 2 })
      const audio = Array.from({ length: 199 }, () => ['-map', '0:a']).flat()
      return ['-i', base, '-map', '0:v', ...audio, '-c', 'copy', '-muxdelay', '0', '-muxpreload', '0']
    }
  }
}
