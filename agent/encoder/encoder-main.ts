import { once } from 'node:events'
import { CodedError, messageOf } from '../../common/errors.ts'
import { Parent } from '../../common/supervision/parent.ts'
import {
  type EncoderCommand,
  type EncoderConfig,
  type EncoderReport,
  encoderCommandSchema,
} from './encoder-protocol.ts'
import { EncoderSession } from './encoder-session.ts'

/** The encoder process: GStreamer encodes as it is told, the result leaves as MPEG-TS on standard output. */

const stopping = new AbortController()
const started = Promise.withResolvers<EncoderConfig>()
let session: EncoderSession | null = null
/** Told before the session began. */
const early: Exclude<EncoderCommand, { type: 'start' }>[] = []

const parent = Parent.connect<EncoderReport, EncoderCommand>({
  told: encoderCommandSchema,
  hear: (command) => {
    if (command.type === 'start') started.resolve(command)
    else if (session) session.obey(command)
    else early.push(command)
  },
  stop: () => {
    stopping.abort()
    return running
  },
})

async function run(): Promise<void> {
  const stopped = once(stopping.signal, 'abort').then(() => null)
  process.stdout.on('error', () => stopping.abort())
  const config = await Promise.race([started.promise, stopped])
  if (!config) return
  // Writing to a pipe waits for its reader. Meanwhile pictures are dropped before the encoder, not kept.
  const write = (ts: Buffer): void => {
    if (ts.length > 0) process.stdout.write(ts)
  }
  await using opened = new EncoderSession({ config, write, tell: (report) => parent.tell(report) })
  session = opened
  for (const command of early.splice(0)) opened.obey(command)
  parent.tell({ type: 'ready' })
  await Promise.race([opened.running.then(() => stopped), stopped])
}

const running = run().catch((thrown: unknown) => {
  const reason = messageOf(thrown)
  const missing = thrown instanceof CodedError && thrown.code === 'gstreamer_missing'
  parent.tell(missing ? { type: 'unavailable', reason } : { type: 'failed', reason })
  process.exitCode = 1
})
await running
process.exit()
