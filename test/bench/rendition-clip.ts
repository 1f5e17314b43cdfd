import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { cachedMedia } from '../support/media-cache.ts'

const run = promisify(execFile)

/** One picture size of a clip. */
export interface Rendition {
  readonly width: number
  readonly height: number
  /** Held by the encoder within an eighth of a second. */
  readonly kbps: number
}

const FPS = 30

/**
 * An MPEG-TS file with the same pictures in several sizes, ascending, and Opus sound of 64 kb/s; from the cache in the
 * system's temporary folder where it was made before. An IDR in all of them every half second.
 */
export async function renditionClip(renditions: readonly Rendition[], seconds: number): Promise<string> {
  const name = renditions.map(({ height, kbps }) => `${height}p${kbps}`).join('-')
  const largest = renditions.at(-1)!
  const source = `testsrc2=size=${largest.width}x${largest.height}:rate=${FPS}`
  const splits = renditions.map((_, index) => `[s${index}]`).join('')
  const scales = renditions.map(
    ({ width, height }, index) => `[s${index}]scale=${width}:${height}[v${index}]`,
  )
  const args = [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', '-t', String(seconds)],
    ...['-f', 'lavfi', '-i', `${source},noise=alls=12:allf=t`],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', String(seconds)],
    ...['-filter_complex', [`[0:v]split=${renditions.length}${splits}`, ...scales].join(';')],
    ...renditions.flatMap((_, index) => ['-map', `[v${index}]`]),
    ...[
      '-map',
      '1:a',
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-profile:v',
      'baseline',
      '-pix_fmt',
      'yuv420p',
    ],
    ...['-x264-params', `keyint=${FPS / 2}:min-keyint=${FPS / 2}:scenecut=0:bframes=0:nal-hrd=cbr`],
    ...renditions.flatMap(({ kbps }, index) => [
      ...[`-b:v:${index}`, `${kbps}k`, `-maxrate:v:${index}`, `${kbps}k`],
      ...[`-bufsize:v:${index}`, `${Math.ceil(kbps / 8)}k`],
    ]),
    ...['-c:a', 'libopus', '-b:a', '64k', '-ac', '2', '-application', 'lowdelay', '-frame_duration', '20'],
    ...['-pes_payload_size', '0', '-muxdelay', '0', '-muxpreload', '0', '-f', 'mpegts'],
  ]
  return cachedMedia(`renditions2-${name}-${seconds}s.ts`, (path) => run('ffmpeg', [...args, path]))
}
