import test from 'ava'
import { startClipSender } from '../support/clip-sender.ts'
import { type ApiAnswer, startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { descendants, programOf } from '../support/processes.ts'
import { accessUnitTypes } from '../support/rtp-timeline.ts'
import { udpOwner } from '../support/udp-owner.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

const IDR = 5
const CONSUMERS_PER_WORKER = 8

const portOf = (viewer: WeriftViewer): number =>
  Number(viewer.joins.at(-1)?.value.transport.ice_candidates[0]?.['port'])
const subscribe = (hub: TestHub): Promise<ApiAnswer> =>
  hub.api('POST', '/v1/subscribe', { stream_id: 'cam-1', tenant_id: 'default' }, null)

test('a stream spreads over workers as viewers come, says when all are full, and uses a worker that came back', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }], {
    workers: 2,
    args: ['--consumers-per-worker', String(CONSUMERS_PER_WORKER)],
  })
  await using _sender = await startClipSender(hub.streams.get('cam-1')!, {
    path: await generateMedia('baseline', { seconds: 30 }),
  })
  await using stack = new AsyncDisposableStack()
  const viewers: WeriftViewer[] = []
  const full = await until(
    async () => {
      const viewer = await WeriftViewer.open(hub.url, 'cam-1').catch(() => null)
      if (!viewer) return subscribe(hub)
      viewers.push(stack.use(viewer))
      await Promise.all([viewer.track('video'), viewer.track('audio')])
      return null
    },
    'all workers are full',
    30_000,
  )
  t.true(viewers.length >= 6 && viewers.length <= CONSUMERS_PER_WORKER, `${viewers.length} viewers`)
  for (const viewer of viewers) {
    const { packets, extensionIds } = await viewer.track('video')
    t.true(accessUnitTypes(packets, 0).includes(IDR))
    for (const extension of ['playout-delay', 'abs-capture-time']) {
      const id = [...extensionIds].find(([uri]) => uri.endsWith(extension))?.[1]
      t.true(
        packets.some(({ extensions }) => extensions.has(id!)),
        `${extension} on port ${portOf(viewer)}`,
      )
    }
  }
  t.is(full.status, 503)
  t.like(full.body, { error: { code: 'saturated', resource: 'worker_consumers' } })
  t.regex(JSON.stringify(full.body), /of 8 consumers/)
  t.true(Number(full.headers.get('retry-after')) >= 1)
  t.true((await hub.metric('rejected_total{reason="saturated"}')) >= 2)

  // The worker without the lane dies: its viewers come back by themselves, the others see nothing of it.
  const workers = descendants(hub.pid).filter((pid) => programOf(pid).includes('mediasoup-worker'))
  const ofWorker = Map.groupBy(viewers, (viewer) => udpOwner(portOf(viewer), workers))
  t.is(ofWorker.size, 2)
  const home = udpOwner(portOf(viewers[0]!), workers)
  const [[died, theirs]] = [...ofWorker].filter(([pid]) => pid !== home) as [[number, WeriftViewer[]]]
  process.kill(died, 'SIGKILL')
  await until(() => theirs.every(({ joins }) => joins.length === 2), 'they joined again')
  for (const viewer of theirs) t.true((await viewer.track('video')).packets.length > 0)
  for (const viewer of ofWorker.get(home)!) t.deepEqual([viewer.rejoins, viewer.joins.length], [[], 1])
  const successors = descendants(hub.pid).filter((pid) => pid !== home)
  t.true(
    theirs.some((viewer) => udpOwner(portOf(viewer), successors) !== undefined),
    'the successor has viewers',
  )
})
