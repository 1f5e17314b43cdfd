import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import type { types } from 'mediasoup'
import { BatchingWorker, type SendCounters } from '../support/batching-worker.ts'
import { DtlsClients } from '../support/dtls-client.ts'
import { runNamespaced } from '../support/namespaces.ts'
import { NUMBERED_CODECS, NumberedPackets, numberOf, payloadOf } from '../support/numbered-packets.ts'
import { RecordingViewer } from '../support/recording-viewer.ts'
import { until } from '../support/until.ts'

/** A worker whose packets leave many at a time gives its viewers what any other worker gives them, byte for byte. */

const VIEWERS = 1000
const AT_ONCE = 50
const PACKETS_EACH = 20
const LISTEN = { protocol: 'udp', ip: '127.0.0.1' } as const

const dtls = await DtlsClients.make()

interface Room extends AsyncDisposable {
  readonly packets: NumberedPackets
  readonly router: types.Router
  readonly counters: () => Promise<SendCounters>
  join(): Promise<{ viewer: RecordingViewer; consumer: types.Consumer }>
}

async function openRoom(batched: boolean): Promise<Room> {
  const worker = await BatchingWorker.start(batched)
  const webRtcServer = await worker.worker.createWebRtcServer({ listenInfos: [LISTEN] })
  const router = await worker.worker.createRouter({ mediaCodecs: NUMBERED_CODECS })
  const packets = await NumberedPackets.open(router)
  return {
    packets,
    router,
    counters: () => worker.counters(),
    async join() {
      const transport = await router.createWebRtcTransport({ webRtcServer })
      const viewer = await RecordingViewer.connect(transport, dtls)
      const producerId = packets.producer.id
      const consumer = await transport.consume({ producerId, rtpCapabilities: router.rtpCapabilities })
      return { viewer, consumer }
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  }
}

/** The numbers of a viewer's packets, each once its payload was compared. */
const numbersOf = (t: { deepEqual(actual: unknown, expected: unknown): boolean }, viewer: RecordingViewer) =>
  viewer.packets.map(({ payload }) => {
    const number = numberOf(payload)
    if (!payload.equals(payloadOf(number))) t.deepEqual(payload, payloadOf(number))
    return number
  })

for (const batched of [true, false]) {
  const how = batched ? 'many at a time' : 'one by one'

  test.serial(`${VIEWERS} viewers that come and go get all packets in order, ${how}`, async (t) => {
    t.timeout(120_000)
    await using room = await openRoom(batched)
    const sending = setInterval(() => {
      for (let index = 0; index < 3; index++) room.packets.send()
    }, 10)
    try {
      let joined = 0
      const watchOne = async () => {
        const { viewer } = await room.join()
        await using _viewer = viewer
        await until(() => viewer.packets.length >= PACKETS_EACH, 'its packets come')
        // The last packets of a viewer leave in the same turn as the viewer.
        for (let index = 0; index < 3; index++) room.packets.send()
        viewer.transport.close()
        const last = room.packets.sent - 1
        await until(() => numberOf(viewer.packets.at(-1)!.payload) === last, 'the last packets come')
        const numbers = numbersOf(t, viewer)
        const expected = numbers.map((_, index) => numbers[0]! + index)
        if (numbers.join() !== expected.join()) t.deepEqual(numbers, expected)
      }
      const places = Array.from({ length: AT_ONCE }, async () => {
        while (joined++ < VIEWERS) await watchOne()
      })
      await Promise.all(places)
    } finally {
      clearInterval(sending)
    }
    const { packets, batches, refused } = await room.counters()
    t.is(refused, 0)
    if (batched) t.true(packets >= VIEWERS * PACKETS_EACH && batches < packets / 5, `${packets}, ${batches}`)
    else t.is(packets, 0)
  })

  test.serial(`what a viewer lost is sent again, ${how}`, async (t) => {
    await using room = await openRoom(batched)
    const { viewer, consumer } = await room.join()
    await using _viewer = viewer
    const [{ ssrc, rtx }] = consumer.rtpParameters.encodings as [types.RtpEncodingParameters]
    for (let index = 0; index < 300; index++) {
      room.packets.send()
      if (index % 5 === 0) await delay(2)
    }
    const media = () => viewer.packets.filter((packet) => packet.ssrc === ssrc)
    await until(() => media().length === 300, 'all packets come')
    const lost = media().filter((_, index) => index % 7 === 3)
    viewer.nack(
      ssrc!,
      lost.map(({ sequence }) => sequence),
    )
    const again = () => viewer.packets.filter((packet) => packet.ssrc === rtx!.ssrc)
    await until(() => again().length >= lost.length, 'they come again')
    // A retransmission begins with the sequence number of what was lost (RFC 4588 section 4).
    const restored = again().map(({ payload }) => [
      payload.readUInt16BE(0),
      payload.subarray(2).toString('hex'),
    ])
    t.deepEqual(
      restored,
      lost.map(({ sequence, payload }) => [sequence, payload.toString('hex')]),
    )
  })
}

test.serial('full buffers and refused packets, in a network of its own', async (t) => {
  t.timeout(120_000)
  await runNamespaced('batched-sends.ts')
  t.pass()
})
