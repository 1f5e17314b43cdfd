import type { MediaSource } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type { PictureSource } from './encoder-protocol.ts'

type CaptureDevice = Extract<MediaSource, { kind: 'v4l2' }>
type Format = 'raw' | 'mjpeg' | 'h264'
type Mode = {
  readonly format: Format
  readonly width: number
  readonly height: number
  readonly fps: number
}

export interface CaptureWish {
  readonly width: number
  readonly height: number
  readonly fps: number
  /** Whether H.264 of the device may be sent as it comes. */
  readonly mayPass: boolean
}

/**
 * The best of what a capture device delivers: first those that reach the size, then those that reach the rate, then what
 * costs least: H.264 that needs no encoding, raw, JPEG. Of those the nearest above what is asked for.
 *
 * @param inputs what the device knows of its inputs; where it knows nothing, the driver chooses
 * @returns undefined for a device that is there and delivers nothing of the kind
 */
export function captureFormat(
  { device, format }: CaptureDevice,
  wish: CaptureWish,
  inputs: NodeReport['inputs'],
): Extract<PictureSource, { kind: 'v4l2' }> | undefined {
  const asked = format === 'auto' ? {} : { format }
  const known = inputs?.find((input) => input.kind === 'v4l2' && input.device === device)
  if (!known) return { kind: 'v4l2', device, ...asked }
  const kinds: readonly Format[] =
    format !== 'auto' ? [format] : wish.mayPass ? ['h264', 'raw', 'mjpeg'] : ['raw', 'mjpeg', 'h264']
  const modes: Mode[] = known.formats.flatMap(({ format: offered, width, height, rates }) => {
    const kind = kinds.find((one) => one === offered)
    if (!kind || width === null || height === null) return []
    return (rates.length > 0 ? rates : [wish.fps]).map((fps) => ({ format: kind, width, height, fps }))
  })
  const best = modes.sort((a, b) => compare(costOf(a, wish, kinds), costOf(b, wish, kinds)))[0]
  if (!best) return known.formats.length === 0 ? { kind: 'v4l2', device, ...asked } : undefined
  const { width, height, fps } = best
  return { kind: 'v4l2', device, format: best.format, size: { width, height }, fps }
}

/** Numbers of which the first that differs decides, the smaller being better. */
function costOf({ format, width, height, fps }: Mode, wish: CaptureWish, kinds: readonly Format[]): number[] {
  const enough = (has: number, asked: number): number => Math.max(0, asked - has)
  // 29.97 is 30.
  const rate = Math.round(fps)
  return [
    enough(width, wish.width) + enough(height, wish.height),
    enough(rate, wish.fps),
    kinds.indexOf(format),
    width * height - wish.width * wish.height,
    rate - wish.fps,
  ]
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index])
  return at === -1 ? 0 : a[at]! - b[at]!
}
