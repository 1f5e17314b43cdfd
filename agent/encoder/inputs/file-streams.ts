import { CodedError } from '../../../common/errors.ts'
import { pause } from '../../../common/retry.ts'
import { GstPipeline } from '../gst-pipeline.ts'
import type { FileStreams } from './input-words.ts'

/** How long is waited for the first packets of a file's second stream, ms. A file may have one stream alone. */
const SECOND_WITHIN_MS = 700
const FIRST_WITHIN_MS = 5000

/**
 * Looks into a file: the caps of its pictures and of its sound.
 * @throws CodedError `gstreamer_failed` for a file that can't be read, or has nothing of use
 */
export async function fileStreams(path: string, signal: AbortSignal): Promise<FileStreams> {
  const sink = (name: string): string =>
    `streams. ! appsink name=${name} sync=true async=false max-buffers=1 drop=true`
  await using pipeline = new GstPipeline(
    `filesrc name=source ! parsebin name=streams ${sink('one')} ${sink('two')}`,
    BigInt(Date.now()) * 1_000_000n,
  )
  pipeline.setText('source', 'location', path)
  const found: string[] = []
  const first = Promise.withResolvers<void>()
  const second = Promise.withResolvers<void>()
  for (const name of ['one', 'two']) {
    let known = false
    pipeline.pull(name, ({ caps }) => {
      if (known) return
      known = true
      found.push(caps)
      if (found.length === 1) first.resolve()
      else second.resolve()
    })
  }
  await pipeline.play()
  const ended = pipeline.ended
  await Promise.race([first.promise, ended, pause(FIRST_WITHIN_MS, signal)])
  await Promise.race([second.promise, ended, pause(SECOND_WITHIN_MS, signal)])
  const of = (kind: 'video' | 'audio'): string | null =>
    found.find((caps) => caps.startsWith(`${kind}/`) || (kind === 'video' && caps.startsWith('image/'))) ??
    null
  const streams = { video: of('video'), audio: of('audio') }
  if (streams.video !== null || streams.audio !== null) return streams
  const why = await Promise.race([ended.then(({ reason }) => reason), 'it has neither pictures nor sound'])
  throw new CodedError('gstreamer_failed', `the file cannot be played: ${why}`)
}
