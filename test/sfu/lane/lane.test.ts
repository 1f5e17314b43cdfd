import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { attachSchema } from '../../../common/wire/lane-ipc.ts'
import { Lane } from '../../../sfu/lane/lane.ts'
import { LaneIdentity } from '../../../sfu/lane/lane-identity.ts'
import type { WorkerPool } from '../../../sfu/worker-pool.ts'
import { openWorkers } from '../../support/local-workers.ts'
import { until } from '../../support/until.ts'

let pool: WorkerPool

test.before(async () => {
  pool = await openWorkers(2)
})

test.after.always(() => pool[Symbol.asyncDispose]())

async function rtpSocket(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

test('an identity keeps its SSRCs and sequence numbers over lanes, layouts and workers', async (t) => {
  const identity = new LaneIdentity('cam-1')
  const [one, other] = pool.slots
  const ssrcsOf = (lane: Lane) =>
    lane.producers.map(({ rtpParameters }) => rtpParameters.encodings?.map(({ ssrc }) => ssrc))
  const first = await Lane.open(one!, { renditions: 1, audio: true }, identity, 40_000)
  const [[video], [audio]] = ssrcsOf(first) as [[number], [number]]
  const attached = attachSchema.parse(first.attachment({ min: 0, max: 0 }))
  t.is(attached.video[0]?.ssrc, video)
  t.is(attached.audio?.ssrc, audio)
  t.is(attached.cname, 'cam-1')
  t.true(attached.video[0]!.sequence < 0x8000)
  identity.advance({
    sequences: [
      [video, 0xfff0],
      [audio, 17],
    ],
    clock: { ...identity.clock, last90k: 900_000 },
  })
  first.close()
  t.false(first.alive)

  const second = await Lane.open(other!, { renditions: 2, audio: true }, identity, 40_000)
  t.deepEqual(
    ssrcsOf(second).map((ssrcs) => ssrcs?.length),
    [2, 1],
  )
  t.is(ssrcsOf(second)[0]?.[0], video)
  t.is(ssrcsOf(second)[1]?.[0], audio)
  const again = second.attachment(null)
  t.is(again.video[0]?.sequence, 0xfff0)
  t.is(again.audio?.sequence, 17)
  t.is(again.clock.last90k, 900_000)
  t.is(again.playout_delay_ms, null)
  second.close()
})

test('a lane has the tracks of its layout', async (t) => {
  const [slot] = pool.slots
  const identity = new LaneIdentity('cam-2')
  for (const [layout, kinds] of [
    [{ renditions: 1, audio: false }, ['video']],
    [{ renditions: 0, audio: true }, ['audio']],
    [{ renditions: 4, audio: true }, ['video', 'audio']],
  ] as const) {
    const lane = await Lane.open(slot!, layout, identity, 40_002)
    t.deepEqual(
      lane.producers.map(({ kind }) => kind),
      [...kinds],
    )
    t.is(
      lane.video?.type,
      layout.renditions === 4 ? 'simulcast' : layout.renditions === 1 ? 'simple' : undefined,
    )
    lane.close()
  }
})

test('a lane takes RTP from its own ingress and from nobody else', async (t) => {
  const ingress = await rtpSocket()
  const stranger = await rtpSocket()
  const identity = new LaneIdentity('cam-3')
  const lane = await Lane.open(
    pool.slots[0]!,
    { renditions: 1, audio: false },
    identity,
    ingress.address().port,
  )
  const { target, video } = lane.attachment(null)
  const packet = (sequence: number): Buffer => {
    const bytes = Buffer.alloc(40, 0x65)
    bytes.writeUInt16BE(0x8000 | video[0]!.payload_type, 0)
    bytes.writeUInt16BE(sequence, 2)
    bytes.writeUInt32BE(sequence * 3000, 4)
    bytes.writeUInt32BE(video[0]!.ssrc, 8)
    return bytes
  }
  const received = async (): Promise<number> => (await lane.video!.getStats())[0]?.packetCount ?? 0
  for (let sequence = 0; sequence < 20; sequence++) stranger.send(packet(sequence), target.port, target.ip)
  for (let sequence = 100; sequence < 110; sequence++) ingress.send(packet(sequence), target.port, target.ip)
  await until(async () => (await received()) >= 10, "the ingress's packets")
  t.is(await received(), 10)
  lane.close()
  for (const socket of [ingress, stranger]) socket.close()
})

test('opening on a worker that dies meanwhile throws, and the lane of a dead worker is not alive', async (t) => {
  await using own = await openWorkers(1)
  const [slot] = own.slots
  const identity = new LaneIdentity('cam-4')
  const lane = await Lane.open(slot!, { renditions: 1, audio: true }, identity, 40_004)
  const opening = Lane.open(slot!, { renditions: 1, audio: true }, identity, 40_006)
  process.kill(slot!.worker.pid, 'SIGKILL')
  await t.throwsAsync(opening)
  await until(() => !lane.alive, 'the lane is not alive')
  t.true(lane.producers.every(({ closed }) => closed))
})
