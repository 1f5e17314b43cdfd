import { CodedError } from '../../common/errors.ts'
import { type FfmpegOutcome, runFfmpeg } from './ffmpeg.ts'
import { GROUND } from './own-picture.ts'
import { type PictureFile, unusable } from './picture-file.ts'

/** Longest side of a kept picture, pixels. */
const LONG_SIDE = 2560
/** Longest kept picture, bytes. */
export const MAX_KEPT_BYTES = 700_000
/** Scales of quantisers and of sides that are tried until the picture is short enough, from hardly any loss to some. */
const QUALITIES = [
  [2, 1],
  [5, 1],
  [12, 1],
  [12, 0.4],
] as const
/** Longest time of one run, ms. */
const TIMEOUT_MS = 12_000

/** A picture as the hub keeps it: an upright JPEG without metadata. */
export interface KeptPicture {
  readonly jpeg: Buffer
  readonly width: number
  readonly height: number
}

/**
 * Decodes an uploaded picture and keeps it as a JPEG, upright, on our ground where it is transparent, and no larger than any
 * slate needs. Whatever else was in the file is gone.
 * @throws CodedError `slate_invalid` (400) where it can't be decoded, `slates_unavailable` (503)
 */
export async function uprightJpeg(
  file: PictureFile,
  signal: AbortSignal,
  program?: string,
): Promise<KeptPicture> {
  for (const [quality, share] of QUALITIES) {
    const scale = Math.min(1, (LONG_SIDE * share) / Math.max(file.width, file.height))
    const [wide, tall] = [file.width, file.height].map((side) => Math.max(1, Math.round(side * scale)))
    const outcome = await runFfmpeg(
      {
        args: [
          ...`-noautorotate -err_detect explode -xerror -f ${file.type}_pipe -c:v ${DECODERS[file.type]}`.split(
            ' ',
          ),
          ...'-i pipe:0 -filter_complex'.split(' '),
          `[0:v]scale=${wide}:${tall}:flags=lanczos,format=rgba${TURNS[file.orientation]},${ON_GROUND}[out]`,
          ...'-map [out] -frames:v 1 -map_metadata -1 -flags bitexact -threads 1 -c:v mjpeg -pix_fmt yuvj444p'.split(
            ' ',
          ),
          ...`-q:v ${quality} -f mjpeg pipe:1`.split(' '),
        ],
        input: file.bytes,
        maxOutputBytes: 16 * MAX_KEPT_BYTES,
        timeoutMs: TIMEOUT_MS,
      },
      signal,
      program,
    )
    if ('failed' in outcome) throw refusalOf(outcome)
    if (outcome.bytes.length === 0)
      throw unusable('there is no picture in it', 'body: a picture that programs open')
    if (outcome.bytes.length > MAX_KEPT_BYTES) continue
    const [width, height] = file.orientation > 4 ? [tall!, wide!] : [wide!, tall!]
    return { jpeg: outcome.bytes, width, height }
  }
  throw unusable(
    'it is too noisy to be kept',
    `body: a picture that is at most ${MAX_KEPT_BYTES} bytes as a JPEG`,
  )
}

const DECODERS = { png: 'png', jpeg: 'mjpeg' } as const

/** Filters that make a picture upright, by its orientation. */
const TURNS: Readonly<Record<number, string>> = {
  1: '',
  2: ',hflip',
  3: ',hflip,vflip',
  4: ',vflip',
  5: ',transpose=cclock_flip',
  6: ',transpose=clock',
  7: ',transpose=clock_flip',
  8: ',transpose=cclock',
}

/** Where the picture is transparent, the ground of our own shows. */
const [RED, GREEN, BLUE] = GROUND
const ON_GROUND = `split[top][same];[same]lutrgb=r=${RED}:g=${GREEN}:b=${BLUE}:a=255[ground];[ground][top]overlay=format=rgb`

function refusalOf({ failed, why }: Extract<FfmpegOutcome, { failed: string }>): CodedError {
  if (failed === 'failed')
    return unusable('it can not be decoded', `body: a picture that programs open; ffmpeg says: ${why}`)
  const details = [failed === 'absent' ? 'install ffmpeg where the hub runs' : why]
  const message = 'the hub can not decode pictures now'
  return new CodedError('slates_unavailable', message, { resource: 'ffmpeg', retryAfterSeconds: 10, details })
}
