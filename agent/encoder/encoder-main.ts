import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { CodedError, messageOf } from '../../common/errors.ts'
import { Parent } from '../../common/supervision/parent.ts'
import { EncoderPipeline, findVideoEncoder } from './encoder-pipeline.ts'
import {
  type EncoderCommand,
  type EncoderConfig,
  type EncoderReport,
  encoderCommandSchema,
} from './encoder-protocol.ts'
import { TestCardPicture } from './test-card-picture.ts'
import { TsMuxer } from './ts-muxer.ts'

/** The encoder process: GStreamer encodes as it is told, the result leaves as MPEG-TS on standard output. */

/** How often tables and clock are looked after while nothing is encoded, ms; also this process's sign of life. */
const IDLE_EVERY_MS = 100

const stopping = new AbortController()
const started = Promise.withResolvers<EncoderConfig>()
const encoding = Promise.withResolvers<EncoderPipeline>()
const parent = Parent.connect<EncoderReport, EncoderCommand>({
  told: encoderCommandSchema,
  hear: (command) => {
    if (command.type === 'start') started.resolve(command)
    else void encoding.promise.then((pipeline) => obey(pipeline, command))
  },
  stop: () => {
    stopping.abort()
    return running
  },
})

function obey(pipeline: EncoderPipeline, command: EncoderCommand): void {
  if (command.type === 'bitrate') pipeline.setTarget(command.target_kbps)
  else if (command.type === 'keyframe') pipeline.requestKeyframe(command.rendition)
  else if (command.type === 'demand') pipeline.setDemand(command.video, command.audio)
  else if (command.type === 'keyframe-interval') pipeline.setKeyframeInterval(command.ms)
  else if (command.type === 'gain') pipeline.setGain(command.db)
}

async function run(): Promise<void> {
  const stopped = once(stopping.signal, 'abort').then(() => null)
  process.stdout.on('error', () => stopping.abort())
  const config = await Promise.race([started.promise, stopped])
  if (!config) return
  const element = findVideoEncoder(config.encoder)
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
  encoding.resolve(pipeline)
  const idle = setInterval(() => write(muxer.idle(Date.now())), IDLE_EVERY_MS)
  parent.tell({ type: 'running', element })
  const { picture, renditions, fps } = config
  const card =
    'test_card' in picture && new TestCardPicture({ name: picture.test_card, ...renditions.at(-1)! })
  const drawing = card && drawOnTime(card, fps, pipeline, stopping.signal)
  const reason = await Promise.race([pipeline.ended, stopped])
  if (reason !== null) parent.tell({ type: 'failed', reason })
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

const running = run().catch((thrown: unknown) => {
  const reason = messageOf(thrown)
  const missing = thrown instanceof CodedError && thrown.code === 'gstreamer_missing'
  parent.tell(missing ? { type: 'unavailable', reason } : { type: 'failed', reason })
  process.exitCode = 1
})
await running
process.exit()
