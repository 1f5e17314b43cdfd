import type { PictureSize } from '../../policy/viewed-stream.ts'
import { accessUnitsOf } from './access-units.ts'
import { type FfmpegOutcome, runFfmpeg } from './ffmpeg.ts'
import { ownPicture } from './own-picture.ts'
import { slateGraph } from './slate-graph.ts'
import { type Ground, slateScript } from './slate-script.ts'
import type { SlateWords } from './slate-words.ts'

/** Longest time for one size, ms. One of 1280x720 takes 0.15 s on an idle machine. */
const TIMEOUT_MS = 8000
/** Most bytes of one access unit, whatever the size: a lane plays two a second. */
export const MAX_UNIT_BYTES = 400_000
/** Pictures that ffmpeg makes. The rate control treats the first in another way; the others come out alike. */
const MADE = 3

export interface SlateOrder {
  /** As `slateSize` makes them. */
  readonly size: PictureSize
  readonly words: SlateWords
  /** A JPEG that is upright; null for our own picture. */
  readonly picture: Uint8Array | null
}

/** Two IDR pictures, or why there are none. */
export type SlateOutcome =
  | { readonly units: readonly Uint8Array[] }
  | Extract<FfmpegOutcome, { failed: string }>

/**
 * Makes a slate in one size: two IDR access units (annex B, constrained baseline, one slice) that look the same and differ
 * in idr_pic_id, because two IDR pictures that follow each other must (ITU-T H.264 section 7.4.3).
 */
export async function encodeSlate(
  { size, words, picture }: SlateOrder,
  signal: AbortSignal,
  program?: string,
): Promise<SlateOutcome> {
  const ground: Ground = picture ? 'uploaded' : 'own'
  const input = picture ? { args: JPEG_INPUT, bytes: picture } : ownInput(size)
  const graph = slateGraph(size, slateScript(words, size, ground), ground)
  const run = {
    args: [
      ...input.args,
      ...['-filter_complex', `[0:v]${graph},loop=loop=${MADE - 1}:size=1[out]`, '-map', '[out]'],
      ...['-frames:v', String(MADE), ...H264, ...rateOf(size), '-f', 'h264', 'pipe:1'],
    ],
    input: input.bytes,
    maxOutputBytes: (MADE + 1) * MAX_UNIT_BYTES,
    timeoutMs: TIMEOUT_MS,
  }
  const outcome = await runFfmpeg(run, signal, program)
  if ('failed' in outcome) return outcome
  const units = accessUnitsOf(outcome.bytes).slice(1)
  const longest = Math.max(...units.map(({ length }) => length))
  if (units.length === MADE - 1 && longest <= MAX_UNIT_BYTES) return { units }
  return { failed: 'failed', why: `ffmpeg made ${units.length} pictures of up to ${longest} bytes` }
}

/** Whatever the bytes claim to be, ffmpeg reads them as one JPEG. */
const JPEG_INPUT = '-noautorotate -f jpeg_pipe -framerate 1 -c:v mjpeg -i pipe:0'.split(' ')

function ownInput(size: PictureSize) {
  const { width, height, rgb } = ownPicture(size)
  const args = `-f rawvideo -framerate 1 -pixel_format rgb24 -video_size ${width}x${height} -i pipe:0`
  return { args: args.split(' '), bytes: rgb }
}

const H264 = [
  ...'-c:v libx264 -profile:v baseline -preset medium -tune stillimage -threads 1'.split(' '),
  // Every picture is an IDR picture, coded by itself and not by what it costs in a video.
  '-x264-params',
  'keyint=1:scenecut=0:bframes=0:ref=1:sliced-threads=0:rc-lookahead=0:mbtree=0:qcomp=1:repeat-headers=1',
  ...'-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv'.split(' '),
]

/**
 * Good quality, as far as a picture of the size may cost. At one picture a second, the buffer is what one may have. Its rows
 * overshoot a little: the bound has room for that.
 */
function rateOf({ width, height }: PictureSize): string[] {
  const bytes = Math.min(MAX_UNIT_BYTES * 0.8, 8000 + width * height * 0.07)
  const rate = `${Math.round((bytes * 8) / 1000)}k`
  return ['-crf', '21', '-maxrate', rate, '-bufsize', rate]
}
