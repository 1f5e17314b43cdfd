import { CodedError } from '../../common/errors.ts'
import type { Broadcast, MediaSource } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import { captureFormat } from './capture-format.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import { VIDEO_ENCODERS, type VideoEncoder } from './video-encoders.ts'

/** Until a contract says more, kb/s. */
const FIRST_TARGET_KBPS = 1500
/** The most time from one IDR to the next while viewers can ask for one, s. */
const GOP_S = 10
/** The same while nobody can ask, as before the hub was heard, ms. */
const UNASKED_MS = 1000
/** How `encoder` of a broadcast is done. */
const PASS_THROUGH = { auto: 'auto', always: 'never', never: 'always' } as const

/**
 * What the encoder process is to do for a broadcast.
 *
 * @param report what the device knows of itself; sections that nobody has looked into yet refuse nothing
 * @throws CodedError `gstreamer_missing` where no encoder of the device works, `bad_config` for what it can't do
 */
export function encoderConfigOf(broadcast: Broadcast, report: NodeReport): EncoderConfig {
  const { fps, kbps } = broadcast
  const passThrough = PASS_THROUGH[broadcast.encoder]
  const encoder = passThrough === 'always' ? undefined : workingEncoder(report)
  return {
    type: 'start',
    picture: pictureOf(broadcast, report),
    sound: soundOf(broadcast),
    fps,
    // Without an encoder there is what the source sends, and nothing smaller.
    renditions: passThrough === 'always' ? broadcast.renditions.slice(-1) : broadcast.renditions,
    ...(encoder && { encoder }),
    pass_through: passThrough,
    gop_frames: GOP_S * fps,
    keyframe_ms: UNASKED_MS,
    profile: 'baseline',
    target_kbps: Math.min(Math.max(FIRST_TARGET_KBPS, kbps?.min ?? 0), kbps?.max ?? FIRST_TARGET_KBPS),
  }
}

/** The best encoder that works here. Undefined while nobody knows. */
function workingEncoder({ encoders }: NodeReport): VideoEncoder | undefined {
  if (encoders === undefined) return undefined
  const works = new Set(encoders.filter((one) => one.works).map(({ element }) => element))
  const best = VIDEO_ENCODERS.find((element) => works.has(element))
  if (best) return best
  throw new CodedError('gstreamer_missing', 'no H.264 encoder of this device works', {
    details: encoders.map(({ element, reason }) => `${element}: ${reason ?? 'does not work'}`),
  })
}

function pictureOf(broadcast: Broadcast, report: NodeReport): EncoderConfig['picture'] {
  const { source, stream_id, fps, renditions, encoder } = broadcast
  if (encoder === 'never' && !mayBeH264(source))
    throw new CodedError('bad_config', `\`encoder\` is \`never\`, and ${source.kind} delivers no H.264`)
  switch (source.kind) {
    case 'test-card':
      return { kind: 'test-card', name: source.name ?? stream_id.slice(0, 40) }
    case 'v4l2': {
      const wish = { ...renditions.at(-1)!, fps, mayPass: encoder !== 'always' }
      const only = encoder === 'never' ? { ...source, format: 'h264' as const } : source
      const found = captureFormat(only, wish, report.inputs)
      if (found) return found
      const what = only.format === 'auto' ? 'no pictures that the agent takes' : `no ${only.format}`
      throw new CodedError('bad_config', `${source.device} delivers ${what}`)
    }
    case 'rtsp':
    case 'srt':
    case 'file':
      return withoutUndefined(source)
  }
}

const mayBeH264 = (source: MediaSource): boolean =>
  source.kind !== 'test-card' && (source.kind !== 'v4l2' || ['auto', 'h264'].includes(source.format))

function soundOf({ sound, source }: Broadcast): EncoderConfig['sound'] {
  if (sound === null) return null
  const { kbps, gain_db } = sound
  if (sound.source.kind === 'alsa')
    return { source: { kind: 'alsa', device: sound.source.device }, kbps, gain_db }
  // A capture device has no sound of its own: its microphone is an ALSA device.
  if (source.kind === 'v4l2') return null
  return { source: { kind: source.kind === 'test-card' ? 'tone' : 'embedded' }, kbps, gain_db }
}

/** Optional fields that are left out, not undefined: the schema of the encoder's configuration is strict. */
function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T
}
