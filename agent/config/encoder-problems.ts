import { isDeepStrictEqual } from 'node:util'
import type { Broadcast } from '../../common/wire/node-config.ts'
import type { CheckedBroadcast, DeviceFacts } from './device-facts.ts'

const PIXELS_720P = 1280 * 720

/** What can't be encoded, or can't be sent without encoding. */
export function encoderProblems(checked: readonly CheckedBroadcast[], facts: DeviceFacts): string[] {
  if (checked.every(({ broadcast, before }) => isDeepStrictEqual(load(broadcast), before && load(before))))
    return []
  const encoded = checked.filter(({ broadcast }) => mustBeEncoded(broadcast))
  return [...checked.flatMap(unpackedSource), ...encoderMissing(encoded, facts), ...tooMuch(encoded, facts)]
}

/** Whether an encoder is needed whatever the source turns out to be. */
function mustBeEncoded({ encoder, source }: Broadcast): boolean {
  if (encoder !== 'auto') return encoder === 'always'
  return (
    source.kind === 'test-card' ||
    (source.kind === 'v4l2' && (source.format === 'raw' || source.format === 'mjpeg'))
  )
}

function unpackedSource({ broadcast: { encoder, source }, at }: CheckedBroadcast): string[] {
  if (encoder !== 'never') return []
  const raw =
    source.kind === 'test-card' ||
    (source.kind === 'v4l2' && source.format !== 'auto' && source.format !== 'h264')
  return raw ? [`${at}.encoder: pictures of this source must be encoded; use auto`] : []
}

function encoderMissing(
  encoded: readonly CheckedBroadcast[],
  { report: { encoders = [] } }: DeviceFacts,
): string[] {
  if (encoders.length === 0 || encoders.some(({ works }) => works)) return []
  const why = encoders.map(({ element, reason }) => `${element}: ${reason ?? 'does not work'}`).join('; ')
  return encoded.map(({ at }) => `${at}.encoder: no encoder of the device works (${why})`)
}

/** Only where the speed of every encoder was measured. */
function tooMuch(encoded: readonly CheckedBroadcast[], { report: { encoders = [] } }: DeviceFacts): string[] {
  const speeds = encoders.filter(({ works }) => works).map(({ fps_720p }) => fps_720p)
  if (speeds.length === 0 || speeds.includes(null)) return []
  const most = Math.max(...speeds.map(Number))
  const needed = encoded.reduce((sum, { broadcast }) => sum + pixelRate(broadcast), 0) / PIXELS_720P
  if (needed <= most) return []
  return [
    `broadcasts: all renditions together are ${Math.ceil(needed)} pictures of 1280x720 a second; the device encodes ${Math.floor(most)}`,
  ]
}

/** Pixels a second of all renditions. */
function pixelRate({ renditions, fps }: Broadcast): number {
  return renditions.reduce((sum, { width, height }) => sum + width * height, 0) * fps
}

const load = ({ source, encoder, renditions, fps }: Broadcast) => ({ source, encoder, renditions, fps })
