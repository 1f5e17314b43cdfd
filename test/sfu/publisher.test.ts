import test from 'ava'
import { CodedError } from '../../common/errors.ts'
import { Publisher } from '../../sfu/publisher.ts'
import type { Relays } from '../../sfu/relay/relays.ts'
import { Stream } from '../../sfu/stream.ts'
import type { WorkerPool } from '../../sfu/worker-pool.ts'
import { openRelays } from '../support/local-relays.ts'
import { openWorkers } from '../support/local-workers.ts'
import { recordEvents } from '../support/recorded-events.ts'
import { until } from '../support/until.ts'

/** A publisher's transport and producers, who closes them, and the lane that they feed. */

const ABR = { min_kbps: 400, start_kbps: 2500, max_kbps: 6000 }
const OPUS = {
  codecs: [{ mimeType: 'audio/opus', payloadType: 100, clockRate: 48_000, channels: 2 }],
  encodings: [{ ssrc: 1 }],
  rtcp: { cname: 'test' },
} as const

/** The transport between a worker and its relay process, which is there for all publishers to come. */
const RELAY = 1

let pool: WorkerPool
let relays: Relays

test.before(async () => {
  pool = await openWorkers(2)
  relays = await openRelays()
})

test.after.always(async () => {
  await relays[Symbol.asyncDispose]()
  await pool[Symbol.asyncDispose]()
})

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
    relays,
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
  'of publishers one after the other each takes the place of the one before, feeds the same lane, and nothing is left',
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
    const producers = new Set<unknown>()
    const lane = new Set<unknown>()
    for (let count = 0; count < 20; count++) {
      const publisher = await Publisher.open(stream, ABR, listener)
      publishers.push(publisher)
      const producer = await produce(publisher)
      t.is(producers.add(producer).size, count + 1)
      t.is(lane.add(stream.producers()[0]!).size, 1, 'what viewers consume stays')
      t.is(stream.producers().length, 1)
      t.is(stream.slot, slotOf(0))
      t.true(stream.answersKeyframes, 'by RTCP, whoever else controls it')
    }
    t.deepEqual(changes, [1])
    t.deepEqual(publishers.map(({ alive }) => alive).slice(-2), [false, true])
    t.is(await transportsOn(0), 1 + RELAY)
    await t.throwsAsync(produce(publishers[0]!), { code: 'gone' })
    await publishers.at(-1)![Symbol.asyncDispose]()
    t.deepEqual(new Set(stream.producers()), lane, 'the lane waits for the next publisher')
    t.is(await transportsOn(0), RELAY)
    t.deepEqual(listener.lost, [], 'whoever closes needs not be told')
  },
)

test.serial('a stream that ends closes its publisher and takes no other', async (t) => {
  const stream = openStream(0)
  const publisher = await Publisher.open(stream, ABR, noteLost())
  const producer = await produce(publisher)
  const [lane] = stream.producers()
  await stream[Symbol.asyncDispose]()
  t.true(producer.closed && lane!.closed)
  t.is(stream.state.state, 'ended')
  const error = await t.throwsAsync(Publisher.open(stream, ABR, noteLost()), { instanceOf: CodedError })
  t.is(error?.code, 'stream_ended')
  t.is(await transportsOn(0), RELAY)
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

test.serial('another codec, a track less or one more: only the consumers of that kind change', async (t) => {
  await using stream = openStream(0)
  const first = await Publisher.open(stream, ABR, noteLost())
  await produce(first)
  const [sound] = stream.producers()
  await first.produce('video', video('video/VP8', 96))
  const [vp8] = stream.producers()
  t.is(vp8?.kind, 'video')
  t.is(stream.producers()[1], sound)
  const ssrc = vp8!.rtpParameters.encodings![0]!.ssrc

  const second = await Publisher.open(stream, ABR, noteLost())
  await produce(second)
  await second.produce('video', video('video/VP9', 98))
  const [vp9] = stream.producers()
  t.true(vp8!.closed)
  t.not(vp9, vp8)
  t.is(vp9!.rtpParameters.encodings![0]!.ssrc, ssrc, 'the lane keeps its SSRC')
  t.is(stream.producers()[1], sound)

  second.closeProducer(second.producerIds[1]!)
  t.deepEqual(stream.producers(), [sound], 'a track that is taken back is gone for viewers, too')
  await second.produce('video', video('video/VP9', 98))
  await second.pause(second.producerIds[0]!)
  t.true(sound!.paused)
  const third = await Publisher.open(stream, ABR, noteLost())
  await produce(third)
  t.false(sound!.paused, 'whoever comes is not muted')
  t.is(stream.producers().length, 2)
  await until(() => stream.producers().length === 1, 'a track that the publisher does not send any more ends')
  t.deepEqual(stream.producers(), [sound])
})

const video = (mimeType: string, payloadType: number) => ({
  codecs: [{ mimeType, payloadType, clockRate: 90_000 }],
  encodings: [{ ssrc: 2 }],
  rtcp: { cname: 'test' },
})

test.serial('a new ceiling is no fault where the worker dies meanwhile', async (t) => {
  await until(() => slotOf(1) !== undefined, 'the worker is up')
  await using stream = openStream(1)
  const listener = noteLost()
  const publisher = await Publisher.open(stream, ABR, listener)
  const { pid } = slotOf(1)!.worker
  process.kill(pid, 'SIGSTOP')
  const bounding = publisher.bound({ ...ABR, max_kbps: 3000 })
  process.kill(pid, 'SIGKILL')
  await t.notThrowsAsync(bounding)
  await until(() => listener.lost.length === 1, 'the publisher hears of it')
})
