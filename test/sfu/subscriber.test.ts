import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import type { types } from 'mediasoup'
import { Subscriber } from '../../sfu/subscriber.ts'
import type { Demand } from '../../sfu/subscription.ts'
import { openLaneStream } from '../support/lane-stream.ts'
import { openWorkers, placementOn } from '../support/local-workers.ts'
import { until } from '../support/until.ts'

const EVERYTHING: Demand = {
  video: true,
  audio: true,
  layers: { spatialLayer: 3, temporalLayer: 3 },
  claim: 3,
}
const LOWEST: Demand = {
  video: true,
  audio: false,
  layers: { spatialLayer: 0, temporalLayer: 0 },
  claim: 0,
}

/** A program on loopback that takes RTP over a plain transport, and what it got by SSRC. */
async function openReceiver() {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const packets = new Map<number, number>()
  socket.on('message', (packet) => {
    // RTCP (RFC 5761 section 4).
    if (packet[1]! >= 200 && packet[1]! <= 207) return
    const ssrc = packet.readUInt32BE(8)
    packets.set(ssrc, (packets.get(ssrc) ?? 0) + 1)
  })
  return {
    packets,
    async connect(router: types.Router) {
      const transport = await router.createPlainTransport({
        listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
      })
      await transport.connect({ ip: '127.0.0.1', port: socket.address().port })
      return transport
    },
    [Symbol.dispose]: () => void socket.close(),
  }
}

const ssrcOf = (consumer: types.Consumer | undefined) => consumer?.rtpParameters.encodings?.[0]?.ssrc ?? 0
const failed = (error: unknown) => {
  throw error
}

test('a program on a plain transport gets what it demands, and is no viewer', async (t) => {
  await using pool = await openWorkers(1)
  const placement = placementOn(pool)
  await using rig = await openLaneStream({ pool, placement, streamId: 'cam', renditions: 2 })
  const { stream } = rig
  using _control = stream.controlledBy({
    answersKeyframes: true,
    direct: null,
    requestKeyframe: () => {},
    demanded: () => {},
    viewersChanged: () => t.fail('nobody watches'),
    stateChanged: () => {},
    arrived: () => {},
  })
  using receiver = await openReceiver()
  let consumers: readonly types.Consumer[] = []
  using subscriber = new Subscriber({
    stream,
    connect: receiver.connect,
    demand: LOWEST,
    consuming: (all) => {
      consumers = all
    },
    failed,
  })
  const video = () => consumers.find(({ kind }) => kind === 'video')
  await until(() => (receiver.packets.get(ssrcOf(video())) ?? 0) > 10, 'pictures by RTP')
  t.is(video()?.type, 'simulcast')
  t.is(video()?.currentLayers?.spatialLayer, 0, 'the lowest layer, as it demands')
  t.true(consumers.find(({ kind }) => kind === 'audio')?.paused)
  t.is(stream.viewers, 0)
  t.is(placement.viewersOn(pool.slots[0]!), 0)

  subscriber.want(EVERYTHING)
  // The worker switches by sender reports, which the stand-in for an ingress does not send.
  await until(() => video()?.preferredLayers?.spatialLayer === 1, 'the highest layer')
  await until(() => consumers.every(({ paused }) => !paused), 'sound, too')
})

test('a subscriber claims nothing but what it demands', async (t) => {
  await using pool = await openWorkers(1)
  await using rig = await openLaneStream({
    pool,
    placement: placementOn(pool),
    streamId: 'cam',
    renditions: 2,
  })
  const claimed: unknown[] = []
  const { claims } = rig.stream
  const add = claims.add.bind(claims)
  claims.add = (first) => {
    claimed.push(first)
    return add(first)
  }
  using receiver = await openReceiver()
  let consumers: readonly types.Consumer[] = []
  let first: unknown[] = []
  using _subscriber = new Subscriber({
    stream: rig.stream,
    connect: receiver.connect,
    demand: { video: false, audio: true, claim: null },
    consuming: (all) => {
      consumers = all
      first = all.map(({ kind, paused }) => [kind, paused])
    },
    failed,
  })
  await until(() => consumers.length === 2, 'both consumers')
  t.deepEqual(claimed, [{ spatial: null, audio: true }])
  const paused = [
    ['video', true],
    ['audio', true],
  ]
  t.deepEqual(first, paused, 'while the program does not know them')
  await until(() => consumers.find(({ kind }) => kind === 'audio')?.paused === false, 'sound alone')
  t.true(consumers.find(({ kind }) => kind === 'video')?.paused)
})

test('pipe and direct transports subscribe as well', async (t) => {
  await using pool = await openWorkers(1)
  await using rig = await openLaneStream({
    pool,
    placement: placementOn(pool),
    streamId: 'cam',
    renditions: 2,
  })
  const kinds: string[] = []
  const consuming = (all: readonly types.Consumer[]) => {
    kinds.push(all.map(({ type }) => type).join())
  }
  const subscribe = (connect: (router: types.Router) => Promise<types.Transport>) =>
    new Subscriber({ stream: rig.stream, connect, demand: EVERYTHING, consuming, failed })
  using _pipe = subscribe((router) =>
    router.createPipeTransport({ listenInfo: { protocol: 'udp', ip: '127.0.0.1' } }),
  )
  await until(() => kinds.length === 1, 'the pipe')
  using _direct = subscribe((router) => router.createDirectTransport())
  await until(() => kinds.length === 2, 'the direct transport')
  t.deepEqual(kinds, ['pipe,pipe', 'simulcast,simple'])
})
