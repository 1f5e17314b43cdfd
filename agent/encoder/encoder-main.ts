import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CodedError, messageOf } from '../../common/errors.ts'
import { EncoderPipeline, findVideoEncoder } from './encoder-pipeline.ts'
import { type EncoderReport, encoderCommandSchema, encoderConfigSchema } from './encoder-protocol.ts'
import { TestCardPicture } from './test-card-picture.ts'
import { TsMuxer } from './ts-muxer.ts'

/**
 * The encoder process: GStreamer encodes, and the result leaves as MPEG-TS on standard output. The parent process tells
 * it what to do. It ends with its parent.
 */

/** How often tables and clock are sent while nothing is encoded, ms. */
const IDLE_EVERY_MS = 100

function report(message: EncoderReport): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

async function run(): Promise<void> {
  const stopping = new AbortController()
  const stopped = once(stopping.signal, 'abort').then(() => null)
  process.on('disconnect', () => stopping.abort())
  process.on('SIGTERM', () => stopping.abort())
  process.on('SIGINT', () => stopping.abort())
  process.stdout.on('error', () => stopping.abort())
  const [first] = await once(process, 'message', { signal: stopping.signal })
  const config = encoderConfigSchema.parse(first)
  const element = findVideoEncoder()
  const muxer = new TsMuxer({ renditions: config.renditions.length, audioChannels: config.sound ? 2 : null })
  // Writing to a pipe waits for its reader. Meanwhile pictures are dropped before the encoder, not kept.
  const write = (ts: Buffer): void => {
    if (ts.length > 0) process.stdout.write(ts)
  }
  await using pipeline = await EncoderPipeline.start(config, element, {
    video: (rendition, data, ptsNs) => write(muxer.video(rendition, data, ptsNs, Date.now())),
    audio: (data, ptsNs) => write(muxer.audio(data, ptsNs, Date.now())),
  })
  if (config.demand) pipeline.setDemand(config.demand.video, config.demand.audio)
  process.on('message', (message) => {
    const command = encoderCommandSchema.safeParse(message).data
    if (command?.type === 'bitrate') pipeline.setTarget(command.target_kbps)
    else if (command?.type === 'keyframe') pipeline.requestKeyframe(command.rendition)
    else if (command?.type === 'demand') pipeline.setDemand(command.video, command.audio)
  })
  const idle = setInterval(() => write(muxer.idle(Date.now())), IDLE_EVERY_MS)
  report({ type: 'running', element })
  const { picture, renditions, fps } = config
  const card =
    'test_card' in picture && new TestCardPicture({ name: picture.test_card, ...renditions.at(-1)! })
  const drawing = card && drawOnTime(card, fps, pipeline, stopping.signal)
  const reason = await Promise.race([pipeline.ended, stopped])
  if (reason !== null) report({ type: 'failed', reason })
  stopping.abort()
  clearInterval(idle)
  await drawing
}

/** Draws each picture when its time has come. After a stall it goes on with the present picture. */
async function drawOnTime(
  card: TestCardPicture,
  fps: number,
  pipeline: EncoderPipeline,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now()
  let drawnMs = 0
  for (let frame = 0; !signal.aborted; ) {
    const unixMs = Math.max(Date.now(), drawnMs + 1)
    drawnMs = unixMs
    card.draw(unixMs)
    pipeline.push(card.data, unixMs)
    frame = Math.max(frame + 1, Math.floor(((performance.now() - startedAt) * fps) / 1000))
    await delay(Math.max(0, startedAt + (frame * 1000) / fps - performance.now()), undefined, {
      signal,
    }).catch(() => {})
  }
}

try {
  await run()
} catch (thrown) {
  const reason = messageOf(thrown)
  const missing = thrown instanceof CodedError && thrown.code === 'gstreamer_missing'
  report(missing ? { type: 'unavailable', reason } : { type: 'failed', reason })
  process.exitCode = 1
}
process.exit()
