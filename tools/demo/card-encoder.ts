import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Encoder } from '../../agent/encoder/encoder.ts'
import type { EncoderConfig } from '../../agent/encoder/encoder-protocol.ts'
import { GstreamerEncoder } from '../../agent/encoder/gstreamer-encoder.ts'
import { CodedError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { type Card, kbpsOf, sizesOf, testCardArguments } from './test-card.ts'

const SOUND_KBPS = 64

/** A running encoder. */
export interface CardEncoder {
  readonly encoder: Encoder
  readonly kind: 'gstreamer' | 'ffmpeg'
  /** The encoder ended by itself, and nothing replaces it. */
  readonly ended: Promise<void>
}

export interface CardEncoderOptions {
  readonly card: Card
  readonly choice: 'auto' | 'ffmpeg'
  /** MPEG-TS, cut anywhere. */
  readonly onData: (chunk: Buffer) => void
  readonly logger: Logger
}

/** Encodes a test card with GStreamer, else with ffmpeg, which gets everything before it starts. */
export async function startCardEncoder(options: CardEncoderOptions): Promise<CardEncoder> {
  const { card, choice, logger } = options
  // Tests ask for what senders must not send. ffmpeg makes it.
  if (choice === 'auto' && card.audio !== 'aac' && card.bFrames === 0) {
    try {
      const encoder = await GstreamerEncoder.start({ ...options, config: encoderConfigOf(card) })
      return { encoder, kind: 'gstreamer', ended: new Promise(() => {}) }
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'gstreamer_missing') throw error
      logger.warn(
        { reason: error.message },
        'encoding with ffmpeg: no keyframe on request, and the bitrate stays as it is',
      )
    }
  }
  return startFfmpeg(options)
}

function encoderConfigOf(card: Card): EncoderConfig {
  const { name, fps, gopSeconds, profile, videoKbps } = card
  const sizes = sizesOf(card)
  const pictureKbps = kbpsOf(sizes, videoKbps).reduce((sum, kbps) => sum + kbps, 0)
  const sound =
    card.audio === 'none' ? null : { source: { kind: 'tone' } as const, kbps: SOUND_KBPS, gain_db: 0 }
  return {
    type: 'start',
    picture: { kind: 'test-card', name },
    sound,
    fps,
    renditions: [...sizes],
    gop_frames: Math.max(1, Math.round(gopSeconds * fps)),
    profile,
    pass_through: 'never',
    target_kbps: Math.round((pictureKbps + (sound?.kbps ?? 0)) * 1.05),
  }
}

function startFfmpeg({ card, onData, logger }: CardEncoderOptions): CardEncoder {
  const ffmpeg = spawn('ffmpeg', testCardArguments(card), { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(ffmpeg, 'close').then(() => {})
  createInterface({ input: ffmpeg.stderr }).on('line', (line) => logger.warn({ line }, 'ffmpeg'))
  ffmpeg.stdout.on('data', onData)
  const encoder: Encoder = {
    setTarget() {},
    setDemand() {},
    async [Symbol.asyncDispose]() {
      ffmpeg.kill('SIGKILL')
      await ended
    },
  }
  return { encoder, kind: 'ffmpeg', ended }
}
