import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { TestCardPicture } from '../../agent/encoder/test-card-picture.ts'
import { cachedMedia } from './media-cache.ts'

/** Changed with what is drawn or encoded: other clips in the cache are of no use then. */
const VERSION = 1

export interface CardClipOptions {
  /** In the picture, and in its mark. */
  readonly name: string
  readonly seconds: number
  /** Default 640 x 360; the marks are read in pictures of 16 to 9. */
  readonly width?: number
  readonly height?: number
  /** Default 30. */
  readonly fps?: number
  /** Constant bitrate of the largest picture; default 1000. */
  readonly kbps?: number
  /** Pictures from one IDR to the next; default 15. */
  readonly gop?: number
  /** Default `opus`. */
  readonly sound?: 'opus' | 'none'
  /** 2 adds a stream of half the width and height, the smaller one first. */
  readonly renditions?: 1 | 2
  /** PTS of the first picture, s. */
  readonly firstPtsSeconds?: number
  /** H.264 profile; default `baseline`. */
  readonly profile?: 'baseline' | 'high'
  /** Noise that can't be compressed away: the clip has all of its bitrate. The marks are read all the same. */
  readonly noise?: boolean
}

/**
 * Makes (or takes from the cache in the system's temporary folder) an MPEG-TS file of a test card whose pictures are
 * numbered from 0. Its burnt-in clock starts at 0 as well.
 * @returns the file's path
 */
export async function cardClip(options: CardClipOptions): Promise<string> {
  const { name, width = 640, height = 360, fps = 30, seconds } = options
  const args = argumentsOf({ ...options, width, height, fps })
  const key = JSON.stringify([VERSION, name, args])
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16)
  return cachedMedia(`card-${hash}.ts`, async (path) => {
    const ffmpeg = spawn('ffmpeg', [...args, path], { stdio: ['pipe', 'ignore', 'inherit'] })
    const ended = once(ffmpeg, 'close')
    // Its exit code tells more than a broken pipe.
    ffmpeg.stdin.on('error', () => {})
    const card = new TestCardPicture({ name, width, height })
    for (let picture = 0; picture < seconds * fps; picture += 1) {
      card.draw(Math.round((picture * 1000) / fps))
      // The card overwrites its picture with the next one.
      if (!ffmpeg.stdin.write(Buffer.from(card.data)))
        await Promise.race([once(ffmpeg.stdin, 'drain'), ended])
    }
    ffmpeg.stdin.end()
    const [code] = await ended
    if (code !== 0) throw new Error(`ffmpeg ended with ${code}`)
  })
}

type Needed = CardClipOptions & Required<Pick<CardClipOptions, 'width' | 'height' | 'fps'>>

function argumentsOf({
  width,
  height,
  fps,
  seconds,
  kbps = 1000,
  gop = 15,
  sound = 'opus',
  renditions = 1,
  firstPtsSeconds = 0,
  profile = 'baseline',
  noise = false,
}: Needed): string[] {
  const source = `[0:v]${noise ? 'noise=alls=12:allf=t' : 'null'}`
  const graph =
    renditions === 1 ? `${source}[v0]` : `${source},split[full][s];[s]scale=iw/2:ih/2[v0];[full]null[v1]`
  const rates = renditions === 1 ? [kbps] : [Math.round(kbps / 4), kbps]
  return [
    ...['-hide_banner', '-loglevel', 'error', '-nostdin', '-y'],
    ...[
      '-f',
      'rawvideo',
      '-pix_fmt',
      'yuv420p',
      '-s',
      `${width}x${height}`,
      '-r',
      String(fps),
      '-i',
      'pipe:0',
    ],
    ...(sound === 'none' ? [] : ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000']),
    ...['-filter_complex', graph, ...rates.flatMap((_, index) => ['-map', `[v${index}]`])],
    ...(sound === 'none' ? [] : ['-map', '1:a']),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-threads', '1', '-profile:v', profile],
    ...['-x264-params', `keyint=${gop}:min-keyint=${gop}:scenecut=0:bframes=0`],
    ...rates.flatMap((rate, index) => [
      ...[`-b:v:${index}`, `${rate}k`, `-maxrate:v:${index}`, `${rate}k`],
      ...[`-bufsize:v:${index}`, `${Math.ceil(rate / 4)}k`],
    ]),
    ...(sound === 'none'
      ? []
      : ['-c:a', 'libopus', '-b:a', '64k', '-ac', '2', '-application', 'lowdelay', '-frame_duration', '20']),
    ...['-t', String(seconds), '-output_ts_offset', String(firstPtsSeconds)],
    ...['-pes_payload_size', '0', '-muxdelay', '0', '-muxpreload', '0', '-f', 'mpegts'],
  ]
}
