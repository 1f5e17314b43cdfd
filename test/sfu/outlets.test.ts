import test from 'ava'
import type { types } from 'mediasoup'
import { Lane } from '../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../sfu/lane/lane-identity.ts'
import { type OutletSource, Outlets } from '../../sfu/outlets.ts'
import { ROUTER_CODECS } from '../../sfu/router-codecs.ts'
import type { WorkerPool } from '../../sfu/worker-pool.ts'
import { LaneSource } from '../support/lane-source.ts'
import { openWorkers } from '../support/local-workers.ts'
import { until } from '../support/until.ts'

const PLAYOUT_DELAY = 'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay'
const IDLE_MS = 200

/**
 * A lane with pictures in it on the pool's first worker, and routers of both workers to watch it from. Pipes that nobody
 * consumes from stay, unless a test is about that.
 */
async function openRig(pool: WorkerPool, idleMs = 60_000) {
  const [here, there] = pool.slots
  const source = await LaneSource.open()
  const identity = new LaneIdentity('cam-1')
  const openLane = async () => {
    const lane = await Lane.open(here!, { renditions: 1, audio: true }, identity, source.port)
    source.feed(lane)
    return lane
  }
  const outlets = new Outlets(pool.census, idleMs)
  return {
    source,
    outlets,
    openLane,
    here: here!,
    there: there!,
    more: (slot = there!) => slot.worker.createRouter({ mediaCodecs: ROUTER_CODECS }),
    [Symbol.dispose]() {
      outlets[Symbol.dispose]()
      source[Symbol.dispose]()
    },
  }
}

const sourceOf = ({ slot, producers }: Lane): OutletSource => ({ router: slot.router, producers })

/** A viewer inside the test: its packets come over the worker's channel. */
async function consume(router: types.Router, producer: types.Producer) {
  const transport = await router.createDirectTransport()
  const consumer = await transport.consume({
    producerId: producer.id,
    rtpCapabilities: router.rtpCapabilities,
  })
  const packets: Buffer[] = []
  consumer.on('rtp', (packet) => packets.push(packet))
  const extension = consumer.rtpParameters.headerExtensions?.find(({ uri }) => uri === PLAYOUT_DELAY)
  return { transport, consumer, packets, playoutDelayId: extension?.id }
}

/** Ids of an RTP packet's one-byte header extensions (RFC 8285 section 4.2). */
function extensionIds(packet: Buffer): number[] {
  const ids: number[] = []
  const end = 16 + 4 * packet.readUInt16BE(14)
  for (let at = 16; at < end; at += packet[at] === 0 ? 1 : 2 + (packet[at]! & 0x0f))
    ids.push(packet[at]! >> 4)
  return ids
}

test('one pipe to a router however many ask at once; pictures and their extensions arrive on every router', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool)
  const source = sourceOf(await rig.openLane())
  const routers = [rig.there.router, await rig.more(), await rig.more(rig.here)]
  for (const router of routers) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => rig.outlets.on(router, source)))
    t.is(new Set(answers.flat()).size, 2)
    t.deepEqual(
      answers[0]!.map(({ kind }) => kind),
      ['video', 'audio'],
    )
    const { mapProducerIdConsumerIds } = await router.dump()
    t.is(mapProducerIdConsumerIds.length, 2)
    const { packets, playoutDelayId } = await consume(router, answers[0]![0]!)
    await until(() => packets.length > 5, 'pictures')
    t.true(extensionIds(packets[0]!).includes(playoutDelayId!))
  }
  t.is(rig.outlets.size, 3)
})

test('a pipe closes when nobody consumed from it for a while, and not before', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool, IDLE_MS)
  const source = sourceOf(await rig.openLane())
  const [video] = await rig.outlets.on(rig.there.router, source)
  const { transport, packets } = await consume(rig.there.router, video!)
  await until(() => packets.length > (5 * IDLE_MS) / 20, 'pictures for some idle times')
  t.false(video!.closed)
  t.is(pool.census.consumersOn(rig.there.worker), 1)
  t.is(pool.census.consumersOn(rig.here.worker), 2, 'the pipes')
  transport.close()
  await until(() => video!.closed, 'the pipe is closed')
  t.is(rig.outlets.size, 0)
  await until(() => pool.census.consumersOn(rig.here.worker) === 0, 'nothing is consumed')
  t.is(source.producers.filter(({ closed }) => closed).length, 0)
  const [again] = await rig.outlets.on(rig.there.router, source)
  t.not(again!.id, video!.id)
})

test('pipes close with their lane, and the next lane has its own', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool)
  const first = await rig.openLane()
  const before = await rig.outlets.on(rig.there.router, sourceOf(first))
  first.close()
  await until(() => before.every(({ closed }) => closed), 'the pipes are closed')
  const second = await rig.openLane()
  const [after] = await rig.outlets.on(rig.there.router, sourceOf(second))
  const { packets } = await consume(rig.there.router, after!)
  await until(() => packets.length > 0, 'pictures of the new lane')
  await t.throwsAsync(rig.outlets.on(await rig.more(), sourceOf(first)))
})

test('a worker that dies takes its pipes with it; its successor gets new ones', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool)
  const source = sourceOf(await rig.openLane())
  const pipes = await rig.outlets.on(rig.there.router, source)
  const opening = rig.outlets.on(await rig.more(), source)
  process.kill(rig.there.worker.pid, 'SIGKILL')
  await opening.catch(() => {})
  await until(() => pipes.every(({ closed }) => closed), 'the pipes are closed')
  const back = await until(() => {
    const slot = pool.slots.find(({ index }) => index === rig.there.index)
    return slot === rig.there ? undefined : slot
  }, 'a successor')
  const [video] = await rig.outlets.on(back.router, source)
  const { packets } = await consume(back.router, video!)
  await until(() => packets.length > 0, 'pictures on the successor')
  t.true(source.producers.every(({ closed }) => !closed))
})

test('one keyframe request goes to the sender however many viewers join before it answers, on every router', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool)
  const lane = await rig.openLane()
  const routers = [rig.here.router, rig.there.router, await rig.more(), await rig.more(rig.here)]
  const producers = [lane.video!]
  for (const router of routers.slice(1)) producers.push((await rig.outlets.on(router, sourceOf(lane)))[0]!)
  // Pipes ask for a picture to begin with.
  const warm = await Promise.all(routers.map((router, index) => consume(router, producers[index]!)))
  await until(() => warm.every(({ packets }) => packets.length > 0), 'a picture everywhere')
  rig.source.answering = false
  const asked = rig.source.keyframeRequests
  const askedAt = performance.now()
  // A request without an answer is repeated each second (mediasoup's KeyFrameRequestManager).
  const isOne = () =>
    t.true(rig.source.keyframeRequests - asked <= 1 + Math.floor((performance.now() - askedAt) / 1000))
  const viewers = await Promise.all(
    routers.flatMap((router, index) => Array.from({ length: 10 }, () => consume(router, producers[index]!))),
  )
  await until(() => rig.source.keyframeRequests > asked, 'a request')
  isOne()
  rig.source.keyframe()
  await until(() => viewers.every(({ packets }) => packets.length > 0), 'a picture for every viewer')
  isOne()
  t.true(viewers.every(({ packets }) => packets[0]!.subarray(20).includes(0x67)))
})

test('a router that closes while a pipe to it is made leaves nothing open at the other end', async (t) => {
  await using pool = await openWorkers(2)
  using rig = await openRig(pool)
  const source = sourceOf(await rig.openLane())
  const transports = async () => (await rig.here.router.dump()).transportIds.length
  const before = await transports()
  for (let turns = 0; turns < 12; turns++) {
    const router = await rig.more()
    const asked = rig.outlets.on(router, source).catch(() => [])
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    router.close()
    await asked
  }
  await until(async () => (await transports()) === before, 'all ends of the pipes to close')
  // And the other way round: the source's router closes.
  for (let turns = 0; turns < 12; turns++) {
    const from = await rig.more()
    const transport = await from.createDirectTransport()
    const { rtpParameters } = source.producers.at(-1)!
    const producer = await transport.produce({ kind: 'audio', rtpParameters })
    const asked = rig.outlets.on(rig.here.router, { router: from, producers: [producer] }).catch(() => [])
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
    from.close()
    await asked
  }
  await until(
    async () => (await transports()) === before,
    'all ends of the pipes from routers that closed to close',
  )
  t.is(await transports(), before)
})
