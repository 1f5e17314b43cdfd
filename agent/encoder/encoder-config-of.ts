import { CodedError } from '../../common/errors.ts'
import type { Broadcast } from '../../common/wire/node-config.ts'
import type { NodeReport } from '../../common/wire/node-report.ts'
import type { EncoderConfig } from './encoder-protocol.ts'
import { VIDEO_ENCODERS, type VideoEncoder } from './video-encoders.ts'

/** Until a contract says more, kb/s. */
const FIRST_TARGET_KBPS = 1500
/** The most time from one IDR to the next while viewers can ask for one, s. */
const GOP_S = 10
const TONE = 'audiotestsrc is-live=true wave=sine freq=440 volume=0.2 samplesperbuffer=480'

/**
 * What the encoder process is to do for a broadcast.
 *
 * @param report what the device knows of itself; sections that nobody has looked into yet refuse nothing
 * @throws CodedError `gstreamer_missing` where no encoder of the device works, `bad_config` for what it can't do
 */
export function encoderConfigOf(broadcast: Broadcast, report: NodeReport): EncoderConfig {
  const { source, fps, renditions, kbps } = broadcast
  const encoder = workingEncoder(report)
  return {
    type: 'start',
    picture: pictureOf(source, broadcast.stream_id),
    sound: soundOf(broadcast),
    fps,
    renditions,
    ...(encoder && { encoder }),
    gop_frames: GOP_S * fps,
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

function pictureOf(source: Broadcast['source'], streamId: string): EncoderConfig['picture'] {
  if (source.kind === 'test-card') return { test_card: source.name ?? streamId.slice(0, 40) }
  if (source.kind === 'v4l2') return { source: `v4l2src device=${source.device}` }
  throw new CodedError('bad_config', `this agent takes no pictures from ${source.kind} yet`)
}

function soundOf({ sound, source }: Broadcast): EncoderConfig['sound'] {
  if (sound === null) return null
  const { kbps, gain_db } = sound
  if (sound.source.kind === 'alsa')
    return { source: `alsasrc device="${sound.source.device}"`, kbps, gain_db }
  // Of the sources that this agent takes only the test card has sound of its own.
  return source.kind === 'test-card' ? { source: TONE, kbps, gain_db } : null
}
