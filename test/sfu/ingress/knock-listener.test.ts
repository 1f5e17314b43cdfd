import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { KnockListener } from '../../../sfu/ingress/knock-listener.ts'
import type { Rejection } from '../../../sfu/ingress/rist-rejections.ts'
import { KEEPALIVE, knock } from '../../support/knock.ts'
import { freeUdpPorts } from '../../support/udp-ports.ts'
import { until } from '../../support/until.ts'

const EAPOL = Buffer.from('0000888e0101000000', 'hex')
const PLAINTEXT = Buffer.from('000088b600000000800000000000000000000000', 'hex')
const SHORT_KEY = Buffer.from('300088b6000000010000000100112233445566778899', 'hex')
const LONG_KEY = Buffer.from('304088b6000000010000000100112233445566778899', 'hex')
const GARBAGE = Buffer.alloc(1316, 0x47)

async function hold(links = 2, address = '127.0.0.1') {
  const ports = await freeUdpPorts(links)
  const rejections: Rejection[] = []
  let knocks = 0
  const listener = new KnockListener({
    address,
    links: ports.map((port) => ({ port })),
    aesBits: 256,
    onKnock: () => {
      knocks += 1
      return true
    },
    onRejected: (rejection) => rejections.push(rejection),
  })
  return {
    ports,
    listener,
    rejections,
    get knocks() {
      return knocks
    },
    [Symbol.dispose]: () => listener[Symbol.dispose](),
  }
}

test('what a sender with a key begins with is a knock, on any port, once', async (t) => {
  for (const packet of [KEEPALIVE, EAPOL, LONG_KEY]) {
    using held = await hold()
    held.listener.listen()
    await knock([held.ports[1]!], packet)
    await until(() => held.knocks > 0, 'the knock')
    await knock(held.ports, packet)
    await delay(50)
    t.is(held.knocks, 1)
  }
})

test('what no sender with a key sends is refused with its reason, and a knock beside it is heard', async (t) => {
  using held = await hold()
  held.listener.listen()
  const refusals = [
    ['plaintext', PLAINTEXT],
    ['weak_key', SHORT_KEY],
    ['garbage', GARBAGE],
  ] as const
  for (const [reason, packet] of refusals)
    await until(async () => {
      await knock(held.ports, packet)
      return held.rejections.some((rejection) => rejection.reason === reason)
    }, reason)
  t.is(held.knocks, 0)
  await until(async () => {
    await knock(held.ports, GARBAGE)
    await knock([held.ports[0]!])
    return held.knocks === 1
  }, 'the knock')
  t.pass()
})

test('what came before it listens is no knock', async (t) => {
  using held = await hold()
  for (let count = 0; count < 5; count += 1) await knock(held.ports)
  held.listener.listen()
  await delay(100)
  t.is(held.knocks, 0)
  await knock(held.ports)
  await until(() => held.knocks === 1, 'the knock')
})

test('its ports are taken while it holds them, and free afterwards', async (t) => {
  const held = await hold()
  const another = () =>
    new KnockListener({
      address: '127.0.0.1',
      links: held.ports.map((port) => ({ port })),
      aesBits: 256,
      onKnock: () => true,
      onRejected: () => {},
    })
  t.throws(another, { code: 'rist_port_unavailable' })
  held[Symbol.dispose]()
  another()[Symbol.dispose]()
  // One that is taken leaves none of the others held.
  const taken = createSocket('udp4').bind(held.ports[1], '127.0.0.1')
  await once(taken, 'listening')
  const error = t.throws(another, { code: 'rist_port_unavailable' })
  t.regex(error.message, new RegExp(`UDP port ${held.ports[1]} .*EADDRINUSE`))
  taken.close()
  await once(taken, 'close')
  another()[Symbol.dispose]()
})

test('a knock that is not answered leaves it listening, and says whom it came from', async (t) => {
  const [port] = await freeUdpPorts(1)
  const sources: string[] = []
  using listener = new KnockListener({
    address: '127.0.0.1',
    links: [{ port: port! }],
    aesBits: 256,
    onKnock: (source) => sources.push(source) === 3,
    onRejected: () => {},
  })
  listener.listen()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  for (const count of [1, 2]) {
    socket.send(KEEPALIVE, port!, '127.0.0.1')
    await until(() => sources.length === count, 'the knock')
  }
  socket.close()
  t.is(sources[0], sources[1])
  await knock([port!])
  await until(() => sources.length === 3, 'the third knock')
  t.not(sources[2], sources[0])
})

test('it listens on IPv6, too', async (t) => {
  using held = await hold(1, '::1')
  held.listener.listen()
  await knock(held.ports, KEEPALIVE, '::1')
  await until(() => held.knocks === 1, 'the knock')
  t.pass()
})
