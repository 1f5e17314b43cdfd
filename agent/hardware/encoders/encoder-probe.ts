import { resolve } from 'node:path'
import type { Logger } from '../../../common/logger.ts'
import { Child, type Program } from '../../../common/supervision/child.ts'
import { VIDEO_ENCODERS, type VideoEncoder } from '../../encoder/video-encoders.ts'
import { type EncoderFact, type ProbeOrder, probeReportSchema } from './probe-protocol.ts'

const MAIN = resolve(import.meta.dirname, 'probe-main.ts')
/** Silence after which the process hangs, ms. The first start of GStreamer on a board may look through all plugins. */
const SILENCE_MS = 60_000

export interface EncoderProbeOptions {
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly elements?: readonly VideoEncoder[]
  /** The program that tries, and how long it may be silent, ms. */
  readonly program?: Program
  readonly silenceMs?: number
}

/**
 * Finds out which encoders really work, by encoding a second with each in a process of its own. An encoder that ends or
 * hangs the process does not work, and the others are tried by the next one.
 * @throws the signal's reason when it is aborted
 */
export async function probeEncoders(options: EncoderProbeOptions): Promise<readonly EncoderFact[]> {
  const facts: EncoderFact[] = []
  let left: readonly VideoEncoder[] = options.elements ?? VIDEO_ENCODERS
  while (left.length > 0) {
    const { tried, culprit, how } = await runOne(left, options)
    facts.push(...tried)
    left = left.filter((element) => !tried.some((fact) => fact.element === element))
    if (left.length === 0) break
    // Without a culprit nothing can be tried here at all.
    const broken = culprit === null ? left : [culprit]
    facts.push(
      ...broken.map((element) => ({ element, works: false, reason: how.slice(0, 200), fps_720p: null })),
    )
    left = left.filter((element) => !broken.includes(element))
  }
  options.logger.info(
    { works: facts.filter(({ works }) => works).map(({ element }) => element) },
    'encoders were tried',
  )
  return facts
}

interface Trial {
  readonly tried: readonly EncoderFact[]
  /** The encoder that was being tried when the process ended. */
  readonly culprit: VideoEncoder | null
  readonly how: string
}

async function runOne(elements: readonly VideoEncoder[], options: EncoderProbeOptions): Promise<Trial> {
  const { logger, signal, program = { entry: MAIN }, silenceMs = SILENCE_MS } = options
  signal.throwIfAborted()
  const tried: EncoderFact[] = []
  let culprit: VideoEncoder | null = null
  let how: string | null = null
  const hung = setTimeout(() => {
    how ??= `the encoder hung for ${Math.round(silenceMs / 1000)} s`
    child.kill()
  }, silenceMs)
  const child = new Child(
    program,
    {
      heard: (raw) => {
        const report = probeReportSchema.safeParse(raw).data
        if (!report) return
        hung.refresh()
        if (report.type === 'trying') culprit = report.element
        else if (report.type === 'tried') {
          tried.push(report.fact)
          culprit = null
        } else {
          if (report.type === 'unavailable') how = report.reason
          void child.stop()
        }
      },
      broken: (why) => logger.error({ why }, 'the probe of encoders broke its channel'),
    },
    1000,
  )
  const abort = (): void => child.kill()
  signal.addEventListener('abort', abort, { once: true })
  child.send({ elements: [...elements] } satisfies ProbeOrder)
  const ended = await child.ended
  clearTimeout(hung)
  signal.removeEventListener('abort', abort)
  signal.throwIfAborted()
  return { tried, culprit, how: how ?? `the process that tried it ended: ${ended}` }
}
