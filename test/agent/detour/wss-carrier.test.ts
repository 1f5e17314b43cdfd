import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { WebSocketServer } from 'ws'
import { WssCarrier } from '../../../agent/detour/wss-carrier.ts'
import { until } from '../../support/until.ts'

/** A hub that takes every ticket, and then does what `then` says with the messages. */
async function openHub(answer: object) {
  const server = createServer()
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: 65_536,
  })
  let heard = 0
  server.on('upgrade', (request, socket, head) =>
    webSockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', (_data, isBinary) => {
        if (isBinary) heard += 1
        else opened.send(JSON.stringify(answer))
      })
    }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/detour`,
    get heard() {
      return heard
    },
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

const options = (lost: string[], ticket = 'a ticket for a test') => ({
  ticket,
  queueMs: 200,
  signal: AbortSignal.timeout(60_000),
  listener: { heard: () => {}, lost: (why: string) => lost.push(why) },
})

test('a hub that owes an answer for seconds is gone, and meanwhile what becomes too old is dropped', async (t) => {
  using hub = await openHub({ type: 'opened' })
  const lost: string[] = []
  using carrier = await WssCarrier.open(new URL(hub.url), undefined, options(lost))
  const timer = setInterval(() => carrier.send(0, Buffer.alloc(1000)), 10)
  await until(() => lost.length > 0, 'it is told')
  clearInterval(timer)
  t.deepEqual(lost, ['the hub does not answer'])
  // A second's worth goes out before anybody can know how long the way is; the rest waits, and is dropped.
  t.true(hub.heard > 10 && hub.heard < 200, String(hub.heard))
  t.true(carrier.dropped > 100, String(carrier.dropped))
})

test('a hub that refuses says why', async (t) => {
  using hub = await openHub({ type: 'refused', code: 'detour_refused', message: '290 ms of 200 ms' })
  const lost: string[] = []
  const error = await t.throwsAsync(() => WssCarrier.open(new URL(hub.url), undefined, options(lost)))
  t.is(error.message, 'detour_refused: 290 ms of 200 ms')
  t.deepEqual(lost, [])
})

test('where nobody listens there is no detour', async (t) => {
  const error = await t.throwsAsync(() =>
    WssCarrier.open(new URL('ws://127.0.0.1:9/detour'), undefined, options([])),
  )
  t.is((error as { code?: string }).code, 'detour_lost')
})
