import test, { type ExecutionContext } from 'ava'
import { z } from 'zod'
import { streamStateSchema } from '../../common/wire/stream.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia, type MediaKind } from '../support/media-generator.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/**
 * What browsers can't play is refused, with what to change at the encoder, before anybody sees a packet of it; a
 * good sender that follows is shown.
 */

/** From the first bytes of the flow to the refusal, ms. */
const REFUSED_WITHIN_MS = 2000

const listSchema = z.object({ streams: z.array(streamStateSchema.extend({ stream_id: z.string() })) })

let hub: TestHub

test.before(async () => {
  hub = await startHub(['b-frames', 'hevc', 'interlaced', 'no-keyframe'].map((streamId) => ({ streamId })))
})

test.after.always(() => hub[Symbol.asyncDispose]())

const refused = test.macro(
  async (
    t: ExecutionContext,
    streamId: string,
    clip: { kind: MediaKind; fromMs?: number },
    reason: RegExp,
  ) => {
    const stream = hub.streams.get(streamId)!
    await using viewer = await WeriftViewer.open(hub.url, streamId)
    const states = () => viewer.states.map(({ value }) => value.state)
    await (async () => {
      const path = await generateMedia(clip.kind, { seconds: 20, gop: 30 })
      await using _bad = await startClipSender(stream, { path, fromMs: clip.fromMs ?? 0 })
      await until(() => viewer.state === 'refused', 'refused')
    })()
    const took = logged(streamId, 'stream is refused') - logged(streamId, "sender's flow connected")
    t.log(`refused ${took} ms after the flow's start: ${viewer.states.at(-1)!.value.reason}`)
    t.true(took <= REFUSED_WITHIN_MS, `${took} ms`)
    t.deepEqual(states(), ['waiting', 'refused'])
    t.regex(viewer.states.at(-1)!.value.reason ?? '', reason)
    t.deepEqual(viewer.tracks, [])
    const listed = listSchema.parse(await (await fetch(`${hub.url}/v1/streams`)).json())
    const { state, reason: told } = viewer.states.at(-1)!.value
    t.like(
      listed.streams.find(({ stream_id }) => stream_id === streamId),
      { state, ...(told !== undefined && { reason: told }) },
    )
    await using _good = await startClipSender(stream, {
      path: await generateMedia('baseline', { seconds: 20 }),
    })
    const video = await viewer.track('video')
    await until(() => viewer.state === 'live' && video.packets.length > 50, 'the good sender is live')
    t.is(states().filter((state) => state === 'refused').length, 1)
    t.is(states().at(-1), 'live')
  },
)

test('B-frames', refused, 'b-frames', { kind: 'bframes' }, /B-frames.*bframes=0/)
test('HEVC', refused, 'hevc', { kind: 'hevc' }, /HEVC|H\.265.*H\.264/)
test('interlaced pictures', refused, 'interlaced', { kind: 'interlaced' }, /interlaced.*progressive/)
test('no keyframe', refused, 'no-keyframe', { kind: 'intra-refresh', fromMs: 1000 }, /No keyframe.*keyint/)

/** Unix ms of the first such line about a stream. */
function logged(streamId: string, message: string): number {
  const line = hub.log.find((entry) => entry['stream_id'] === streamId && entry['msg'] === message)
  return Date.parse(String(line?.['time']))
}
