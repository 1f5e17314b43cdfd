import test from 'ava'
import type { types } from 'mediasoup'
import { z } from 'zod'
import type { ConsumerInfo } from '../../common/wire/viewer-protocol.ts'
import type { ViewingClient, ViewingTerms } from '../../sfu/viewed-media.ts'
import { Viewer } from '../../sfu/viewer.ts'
import { openLaneStream } from '../support/lane-stream.ts'
import { openWorkers, placementOn } from '../support/local-workers.ts'
import { until } from '../support/until.ts'

const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01'
const TERMS: ViewingTerms = {
  contractId: 'c-1',
  abr: { min_kbps: 100, start_kbps: 1000, max_kbps: 5000 },
  priority: 100,
  view: { video: true, audio: true, visible: true, focused: false, tile: null },
}
const parameters = z.object({
  codecs: z.array(
    z.object({
      mimeType: z.string(),
      rtcpFeedback: z.array(z.object({ type: z.string(), parameter: z.string().optional() })),
    }),
  ),
  headerExtensions: z.array(z.object({ uri: z.string() })),
})

async function openRig() {
  const stack = new AsyncDisposableStack()
  const pool = stack.use(await openWorkers(1))
  const placement = placementOn(pool)
  const stream = async (streamId: string, renditions: number) =>
    stack.use(await openLaneStream({ pool, placement, streamId, renditions })).stream
  return {
    single: await stream('single', 1),
    layered: await stream('layered', 2),
    capabilities: pool.slots[0]!.router.rtpCapabilities,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** What happens to one stream of a viewer, in order. */
function listener(): ViewingClient & { readonly heard: string[]; readonly offered: ConsumerInfo[] } {
  const [heard, offered]: [string[], ConsumerInfo[]] = [[], []]
  return {
    heard,
    offered,
    tell: (...[method, data]) => {
      if (method === 'consumer-closed') heard.push(`closed ${data.consumer_id}`)
    },
    offer: async (consumer) => {
      heard.push(`offered ${consumer.consumer_id}`)
      offered.push(consumer)
    },
  }
}

const openViewer = (stream: Parameters<typeof Viewer.open>[0], capabilities: types.RtpCapabilities) =>
  Viewer.open(
    stream,
    1000,
    { capabilities },
    {
      transportLost: () => {},
      mediaFailed: (_kind, error) => {
        throw error
      },
    },
  )

const estimated = (info: { rtp_parameters: unknown }): boolean => {
  const { codecs, headerExtensions } = parameters.parse(info.rtp_parameters)
  const extension = headerExtensions.some(({ uri }) => uri === TRANSPORT_CC)
  const feedback = codecs[0]!.rtcpFeedback.some(({ type }) => type === 'transport-cc')
  if (extension !== feedback) throw new Error('the extension without its feedback, or the other way round')
  return extension
}

const videos = (infos: readonly ConsumerInfo[]) => infos.filter(({ kind }) => kind === 'video')

test('a viewer of a single layer has no bandwidth estimation, and retransmission all the same', async (t) => {
  await using rig = await openRig()
  using viewer = await openViewer(rig.single, rig.capabilities)
  const infos = await viewer.add(rig.single, TERMS, listener()).consume(false)
  t.deepEqual(infos.map(estimated), [false, false])
  const { codecs, headerExtensions } = parameters.parse(infos[0]!.rtp_parameters)
  t.deepEqual(
    codecs.map(({ mimeType }) => mimeType),
    ['video/H264', 'video/rtx'],
  )
  const feedback = codecs[0]!.rtcpFeedback.map(({ type, parameter }) => `${type} ${parameter ?? ''}`.trim())
  t.deepEqual(feedback.toSorted(), ['ccm fir', 'nack', 'nack pli'])
  t.false(headerExtensions.some(({ uri }) => uri.endsWith('abs-send-time')))
  t.true(headerExtensions.some(({ uri }) => uri.endsWith('playout-delay')))
})

test('a viewer of layers has it', async (t) => {
  await using rig = await openRig()
  using viewer = await openViewer(rig.layered, rig.capabilities)
  const infos = await viewer.add(rig.layered, TERMS, listener()).consume(false)
  t.deepEqual(videos(infos).map(estimated), [true])
})

test('with a layered stream beside it, a single layer counts in the estimate, whichever came first', async (t) => {
  await using rig = await openRig()
  using viewer = await openViewer(rig.single, rig.capabilities)
  const ears = listener()
  const single = viewer.add(rig.single, TERMS, ears)
  const [before, sound] = await single.consume(false)
  single.follow()
  await viewer.add(rig.layered, TERMS, listener()).consume(false)
  await until(() => ears.offered.length > 0, 'the single layer is consumed anew')
  const [after, ...more] = ears.offered
  t.deepEqual(ears.heard, [`closed ${before!.consumer_id}`, `offered ${after!.consumer_id}`])
  t.true(estimated(after!))
  t.deepEqual(more, [], 'sound is not interrupted')
  t.true(single.has(sound!.consumer_id))
  t.deepEqual(await single.consume(false), [])

  using other = await openViewer(rig.layered, rig.capabilities)
  const media = [other.add(rig.layered, TERMS, listener()), other.add(rig.single, TERMS, listener())]
  const infos = await Promise.all(media.map((each) => each.consume(false)))
  t.deepEqual(videos(infos.flat()).map(estimated), [true, true])
  using both = await openViewer(rig.single, rig.capabilities)
  const at = [both.add(rig.single, TERMS, listener()), both.add(rig.layered, TERMS, listener())]
  const atOnce = await Promise.all(at.map((each) => each.consume(false)))
  t.deepEqual(videos(atOnce.flat()).map(estimated), [true, true])
})
