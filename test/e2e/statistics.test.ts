import test from 'ava'
import {
  streamStatisticsSchema,
  viewerStatisticsSchema,
  workersAnswerSchema,
} from '../../common/wire/statistics-api.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

test('operators see what streams, viewers and workers carry, and hold a viewer to a ceiling while it watches', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1', streamClass: 'director' }], { workers: 2 })
  await using _sender = await startClipSender(hub.streams.get('cam-1')!, {
    path: await generateMedia('two-renditions', { seconds: 30 }),
  })
  await using viewer = await WeriftViewer.open(hub.url, 'cam-1')
  await viewer.track('video')
  const operator = await hub.issueToken({ role: 'operator' })
  const read = async (path: string, token = operator) => (await hub.api('GET', path, undefined, token)).body
  const ofStream = async () => streamStatisticsSchema.parse(await read('/v1/streams/cam-1/statistics'))
  const stream = await until(async () => {
    const now = await ofStream()
    return now.tracks[0]?.renditions.every(({ kbps }) => kbps > 0) ? now : null
  }, 'both renditions are measured')
  t.like(stream, { state: 'live', viewers: 1, priority: 100, piped_to: 0 })
  t.deepEqual(
    stream.tracks.map(({ kind, codec, renditions }) => [kind, codec, renditions.length]),
    [
      ['video', 'video/H264', 2],
      ['audio', 'audio/opus', 1],
    ],
  )
  t.true(stream.tracks[0]!.renditions[0]!.kbps < stream.tracks[0]!.renditions[1]!.kbps, 'ascending')

  const contractId = viewer.contract.contract_id
  const ofViewer = async () =>
    viewerStatisticsSchema.parse(await read(`/v1/viewers/${contractId}/statistics`))
  const { media } = await until(async () => {
    const now = await ofViewer()
    return now.media?.tracks.every(({ packets }) => packets > 0) ? now : null
  }, 'both tracks reach the viewer')
  t.like(media, { worker: stream.worker, protocol: 'udp' })
  t.deepEqual(media!.tracks.map(({ kind }) => kind).toSorted(), ['audio', 'video'])

  const { workers, size } = workersAnswerSchema.parse(await read('/v1/workers', hub.adminToken))
  t.is(size, 2)
  const [here, idle] = workers.toSorted((a, b) => b.consumers - a.consumers)
  t.like(here, { index: stream.worker, streams: 1, viewers: 1, consumers: 2, transports: 2 })
  t.like(idle, { streams: 0, viewers: 0, consumers: 0, transports: 0 })

  const director = await hub.issueToken({ role: 'director' })
  const limits = `/v1/viewers/${contractId}/limits`
  const limited = await hub.api('PUT', limits, { max_kbps: 500 }, director)
  t.is(limited.status, 200)
  t.like(viewerStatisticsSchema.parse(limited.body), { limit_kbps: 500, abr: { max_kbps: 500 } })
  await until(() => viewer.bounds.at(-1)?.value.abr.max_kbps === 500, 'the viewer is told')
  await hub.api('PUT', limits, { max_kbps: null }, director)
  t.deepEqual((await ofViewer()).abr, viewer.contract.abr)
  t.is(
    (await hub.api('PUT', limits, { max_kbps: 500 }, await hub.issueToken({ role: 'viewer' }))).status,
    403,
  )

  const raised = await hub.api('PUT', '/v1/streams/cam-1/priority', { priority: 200 }, director)
  t.is(streamStatisticsSchema.parse(raised.body).priority, 200)
  const audit = JSON.stringify(await read('/v1/audit'))
  t.regex(audit, /"viewer\.limits"/)
  t.regex(audit, /"stream\.priority"/)

  await hub.api('PUT', '/v1/tenants/other', { display_name: 'Other' })
  const stranger = await hub.issueToken({ role: 'operator', tenant_id: 'other' })
  for (const path of [`/v1/viewers/${contractId}/statistics`, '/v1/streams/cam-1/statistics'])
    t.is((await hub.api('GET', path, undefined, stranger)).status, 404)
  t.is((await hub.api('PUT', limits, { max_kbps: 500 }, stranger)).status, 404)
  t.is((await hub.api('GET', '/v1/workers', undefined, stranger)).status, 403)
})
