import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { UdpSocket } from '../../../common/net/udp-socket.ts'
import { coreTimes, droppedDatagrams, idleShare } from './kernel-counts.ts'

const STAT = (idle: number) =>
  `cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 0 10 ${idle} 5 1 2 2 7 0\ncpu1 100 0 0 0 0 0 0 0 0 0\nintr 5\n`

test('idle time is that of the wanted cores alone, and waiting for a disk is idle', (t) => {
  t.deepEqual(coreTimes([0], STAT(70)), { idle: 75, all: 100 })
  t.is(idleShare(coreTimes([0, 1], STAT(70)), coreTimes([0, 1], STAT(80))), 1)
  t.is(idleShare({ idle: 0, all: 0 }, coreTimes([0, 1], STAT(70))), 75 / 200)
})

test('this machine has had some idle time', (t) => {
  const { idle, all } = coreTimes([0])
  t.true(idle > 0 && idle < all)
})

test('what a socket without room did not get is counted', async (t) => {
  const before = droppedDatagrams(process.pid)
  using small = UdpSocket.open('127.0.0.1', 0, { receive: 4096 })
  t.true(small.descriptor > 0)
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  // Nobody reads the small one. Its port is the one that its owner sees from outside.
  small.connect('127.0.0.1', socket.address().port)
  const arrived = once(socket, 'message')
  small.send(Buffer.from('here'))
  const [, { port }] = (await arrived) as [Buffer, { port: number }]
  for (let index = 0; index < 50; index += 1)
    await new Promise((resolve) => socket.send(Buffer.alloc(1000), port, '127.0.0.1', resolve))
  t.true(droppedDatagrams(process.pid) - before > 30)
})
