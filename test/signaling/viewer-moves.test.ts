import test from 'ava'
import { z } from 'zod'
import { workersAnswerSchema } from '../../common/wire/statistics-api.ts'
import { type AskedViewer, fillWorker, openAsked, workerOfStream } from '../support/asked-viewer.ts'
import { startClipSender } from '../support/clip-sender.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { generateMedia } from '../support/media-generator.ts'
import { freeUdpPorts } from '../support/udp-ports.ts'
import { until } from '../support/until.ts'
import { WeriftViewer } from '../support/werift-viewer.ts'

/** What a hub does for viewers that are to move, by the messages alone: the viewers have no media. */

const ROOM = 40
/** Viewers of an older SDK: they fill most of the worker of the stream, and are never asked. */
const OLDER = 11

const moveData = z.object({ transport: z.looseObject({ id: z.string() }), streams: z.array(z.unknown()) })

async function busyHub() {
  await using stack = new AsyncDisposableStack()
  const [rtcPort = 0] = await freeUdpPorts(2)
  const hub = stack.use(
    await startHub([{ streamId: 'cam-1' }], {
      workers: 2,
      rtcPort,
      args: ['--consumers-per-worker', String(ROOM), '--move-viewers', 'true'],
    }),
  )
  const path = await generateMedia('baseline', { seconds: 60 })
  stack.use(await startClipSender(hub.streams.get('cam-1')!, { path, repeat: true }))
  const home = await workerOfStream(hub)
  const owned = stack.move()
  return { hub, home, port: rtcPort + home, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const untilAsked = (viewer: AskedViewer, method: string) =>
  until(() => viewer.asked.find((each) => each.method === method), `"${method}" is asked`, 40_000)

const workersOf = async (hub: TestHub) =>
  workersAnswerSchema.parse((await hub.api('GET', '/v1/workers')).body).workers

const placesOf = async (hub: TestHub) =>
  z.object({ viewers: z.array(z.unknown()) }).parse((await hub.api('GET', '/v1/viewers')).body).viewers.length

const moves = (hub: TestHub, outcome: string) => hub.metric(`viewer_moves_total{outcome="${outcome}"}`)

test('a move is over when its viewer leaves or its contract ends', async (t) => {
  t.timeout(180_000)
  await using busy = await busyHub()
  const { hub, port } = busy
  // The first of them is asked first.
  const [leaves, revoked] = [await openAsked(hub), await openAsked(hub)] as const
  using _older = await fillWorker(hub, port, OLDER + 2)

  t.log('the viewer leaves')
  await untilAsked(leaves.viewer, 'move')
  leaves.viewer[Symbol.dispose]()
  await until(async () => (await moves(hub, 'stayed')) === 1, 'that move is over')

  t.log('the contract ends')
  await untilAsked(revoked.viewer, 'move')
  await hub.api('DELETE', `/v1/viewers/${revoked.contractId}`)
  await revoked.viewer.closed
  await until(async () => (await moves(hub, 'stayed')) === 2, 'that move is over')
  t.is(await moves(hub, 'broken'), 0)
})

test('a move ends well, whatever page and workers do in the middle of it', async (t) => {
  t.timeout(180_000)
  await using busy = await busyHub()
  const { hub, home, port } = busy
  await using whep = await WeriftViewer.open(hub.url, 'cam-1')
  await whep.track('video')
  // The first of them is asked first, and so on: each ends its move in another way.
  const [refuses, bereft, last] = [await openAsked(hub), await openAsked(hub), await openAsked(hub)] as const
  const older = await fillWorker(hub, port, OLDER + 1)

  t.log('the page can not do it')
  ;(await untilAsked(refuses.viewer, 'move')).refuse()
  await until(async () => (await moves(hub, 'stayed')) === 1, 'that move is over')
  await until(() => refuses.viewer.told.some(({ method }) => method === 'move-ended'), 'the page hears of it')
  t.false(refuses.viewer.told.some(({ method }) => method === 'rejoin'))

  t.log('the other worker dies')
  const asked = await untilAsked(bereft.viewer, 'move')
  t.is(moveData.parse(asked.data).streams.length, 1)
  const other = (await workersOf(hub)).find(({ index }) => index !== home)
  process.kill(other!.pid, 'SIGKILL')
  await until(async () => (await moves(hub, 'stayed')) === 2, 'that move is over')
  t.false(
    bereft.viewer.told.some(({ method }) => method === 'rejoin'),
    'it stays where it is',
  )
  bereft.viewer[Symbol.dispose]()

  t.log('all goes well')
  const move = await untilAsked(last.viewer, 'move')
  const { id } = moveData.parse(move.data).transport
  const before = await placesOf(hub)
  move.accept()
  const change = await untilAsked(last.viewer, 'switch')
  t.deepEqual(change.data, { transport_id: id })
  change.accept()
  await until(async () => (await moves(hub, 'moved')) === 1, 'it moved')
  t.is(await placesOf(hub), before)
  for (const worker of await workersOf(hub)) {
    const moved = [worker.viewers_moved_here, worker.viewers_moved_away]
    t.deepEqual(moved, worker.index === home ? [0, 1] : [1, 0])
    if (worker.index !== home) t.is(worker.viewers, 1)
  }
  t.is(refuses.viewer.asked.length, 1, 'it is not asked again for a while')
  t.is(await moves(hub, 'broken'), 0)

  older[Symbol.dispose]()
  bereft.viewer[Symbol.dispose]()
  refuses.viewer[Symbol.dispose]()
  last.viewer[Symbol.dispose]()
  await whep[Symbol.asyncDispose]()
  await until(
    async () => (await workersOf(hub)).every(({ viewers, consumers }) => viewers + consumers === 0),
    'nothing is left',
    20_000,
  )
})

test('a viewer that does not say whether it switched is asked to join again', async (t) => {
  t.timeout(90_000)
  await using busy = await busyHub()
  const { hub, home, port } = busy
  const { viewer } = await openAsked(hub)
  using _older = await fillWorker(hub, port, OLDER + 3)
  ;(await untilAsked(viewer, 'move')).accept()
  await untilAsked(viewer, 'switch')
  await until(() => viewer.told.some(({ method }) => method === 'rejoin'), 'it is asked to join anew')
  t.is(await moves(hub, 'broken'), 1)
  const other = (await workersOf(hub)).find(({ index }) => index !== home)
  t.is(other?.viewers, 0)
  viewer[Symbol.dispose]()
})

test('the end of the first transport is no loss once the page was told to switch', async (t) => {
  t.timeout(90_000)
  await using busy = await busyHub()
  const { hub, home, port } = busy
  const { viewer } = await openAsked(hub)
  using _older = await fillWorker(hub, port, OLDER + 3)
  ;(await untilAsked(viewer, 'move')).accept()
  const change = await untilAsked(viewer, 'switch')
  // A switching page closes its first transport, and the hub may hear of that before the page's answer.
  const { pid } = (await workersOf(hub)).find(({ index }) => index === home)!
  process.kill(pid, 'SIGKILL')
  await until(async () => (await workersOf(hub)).every((worker) => worker.pid !== pid), 'that worker is gone')
  change.accept()
  await until(async () => (await moves(hub, 'moved')) === 1, 'it moved')
  t.false(viewer.told.some(({ method }) => method === 'rejoin'))
  t.is(await moves(hub, 'broken'), 0)
  viewer[Symbol.dispose]()
})

test('a hub that was not told to moves nobody, and says so', async (t) => {
  await using hub = await startHub([{ streamId: 'cam-1' }], { workers: 1 })
  using viewer = (await openAsked(hub)).viewer
  t.like(viewer.told[0], { method: 'welcome', data: { moves: false } })
})
