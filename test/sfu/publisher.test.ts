import test from 'ava'
import { CodedError } from '../../common/errors.ts'
import { Publisher } from '../../sfu/publisher.ts'
import { Stream } from '../../sfu/stream.ts'
import type { WorkerPool } from '../../sfu/worker-pool.ts'
import { openWorkers } from '../support/local-workers.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { until } from '../support/until.ts'

/** A publisher's transport and producers, and who closes them. */

const ABR = { min_kbps: 400, start_kbps: 2500, max_kbps: 6000 }
const OPUS = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc: 1 }],
  rtcp: { cname: 'test' },
} as const

let pool: WorkerPool

test.before(async () => {
  pool = await openWorkers(2)
})

test.after.always(() => pool[Symbol.asyncDispose]())

const slotOf = (index: number) => pool.slots.find((slot) => slot.index === index)

function openStream(slot: number): Stream {
  const spec = { tenantId: 'default', streamId: `cam-${slot}`, streamClass: 'director' } as const
  return new Stream(spec, {
    placement: {
      forLane: () => slotOf(slot),
      takeForViewer: () => {
        throw new Error('nobody watches')
      },
    },
    census: pool.census,
    events: recordEvents().events,
  })
}

function noteLost() {
  const lost: string[] = []
  return { lost, transportLost: (reason: string) => void lost.push(reason) }
}

const produce = (publisher: Publisher) =>
  publisher.produce('audio', { ...OPUS, codecs: [...OPUS.codecs], encodings: [...OPUS.encodings] })
const transportsOn = async (slot: number) => (await slotOf(slot)!.router.dump()).transportIds.length

test.serial(
  'of publishers one after the other each takes the place of the one before, and nothing is left',
  async (t) => {
    await using stream = openStream(0)
    const changes: number[] = []
    stream.observe({
      stateChanged: () => {},
      producersChanged: () => void changes.push(stream.producers().length),
      captureClock: () => {},
      dataArrived: () => {},
    })
    const listener = noteLost()
    const publishers: Publisher[] = []
    for (let count = 0; count < 20; count++) {
      const publisher = await Publisher.open(stream, ABR, listener)
      publishers.push(publisher)
      const producer = await produce(publisher)
      t.deepEqual(stream.producers(), [producer])
      t.is(stream.slot, slotOf(0))
      t.true(stream.answersKeyframes, 'by RTCP, whoever else controls it')
    }
    t.is(changes.length, 20)
    t.deepEqual(publishers.map(({ alive }) => alive).slice(-2), [false, true])
    t.is(await transportsOn(0), 1)
    await t.throwsAsync(produce(publishers[0]!), { code: 'gone' })
    await publishers.at(-1)![Symbol.asyncDispose]()
    t.deepEqual(stream.producers(), [])
    t.is(await transportsOn(0), 0)
    t.deepEqual(listener.lost, [], 'whoever closes needs not be told')
  },
)

test.serial('a stream that ends closes its publisher and takes no other', async (t) => {
  const stream = openStream(0)
  const publisher = await Publisher.open(stream, ABR, noteLost())
  const producer = await produce(publisher)
  await stream[Symbol.asyncDispose]()
  t.true(producer.closed)
  t.is(stream.state.state, 'ended')
  const error = await t.throwsAsync(Publisher.open(stream, ABR, noteLost()), { instanceOf: CodedError })
  t.is(error?.code, 'stream_ended')
  t.is(await transportsOn(0), 0)
})

test.serial('the death of a worker is told once, and the stream waits for the next publisher', async (t) => {
  await using stream = openStream(1)
  const listener = noteLost()
  const publisher = await Publisher.open(stream, ABR, listener)
  await produce(publisher)
  process.kill(slotOf(1)!.worker.pid, 'SIGKILL')
  await until(() => listener.lost.length > 0, 'it is told')
  t.deepEqual(listener.lost, ['worker_lost'])
  t.false(publisher.alive)
  t.deepEqual(stream.producers(), [])
  await until(() => pool.slots.length === 2, 'its successor')
  await using next = await Publisher.open(stream, ABR, noteLost())
  t.true(next.alive)
})
