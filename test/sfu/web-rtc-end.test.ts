import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { WebRtcEnd } from '../../sfu/web-rtc-end.ts'
import { openWorkers } from '../support/local-workers.ts'
import { bindingRequest, type IceCredentials } from '../support/stun-binding.ts'
import { until } from '../support/until.ts'

/** The shortest time that mediasoup takes, s. */
const CONSENT_S = 10
const PATH_WITHIN_MS = 1500

/** A client's address: checks the pair for as long as it is told to. */
async function address(t: { teardown(done: () => void): void }): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return socket
}

test('a lost path is not the end: it comes back from another address, and by an ICE restart', async (t) => {
  t.timeout(60_000)
  await using pool = await openWorkers(1)
  const slot = pool.slots[0]!
  const options = {
    slot,
    router: slot.router,
    signOfLife: { by: 'consent', withinS: CONSENT_S } as const,
    pathWithinMs: PATH_WITHIN_MS,
  }
  using end = await WebRtcEnd.open(options)
  const heard: string[] = []
  end.onPathLost(() => heard.push('path lost'))
  end.onLost((reason) => heard.push(reason))
  const { transport } = end
  const port = transport.iceCandidates.find(({ protocol }) => protocol === 'udp')!.port
  const check = (from: Socket, { usernameFragment, password }: IceCredentials) =>
    from.send(bindingRequest({ usernameFragment, password }), port, '127.0.0.1')
  const states = () => transport.iceState

  const first = await address(t)
  check(first, transport.iceParameters)
  await until(() => states() === 'completed', 'a path')
  await until(() => heard.length === 1, 'the path is lost', 15_000)
  t.is(states(), 'disconnected')

  const second = await address(t)
  check(second, transport.iceParameters)
  await until(() => states() === 'completed', 'a path from another address')
  t.is(transport.iceSelectedTuple?.remotePort, second.address().port)

  const former = { ...transport.iceParameters }
  const { ice_parameters } = await end.restartIce()
  t.not(ice_parameters['usernameFragment'], former.usernameFragment)
  const third = await address(t)
  check(third, former)
  await until(
    () => transport.iceSelectedTuple?.remotePort === third.address().port,
    'the former credentials hold',
  )
  check(second, transport.iceParameters)
  await until(() => transport.iceSelectedTuple?.remotePort === second.address().port, 'the new ones count')
  // Longer than a lost path is waited for: this one is not lost.
  await new Promise((resolve) => setTimeout(resolve, PATH_WITHIN_MS * 2))
  t.deepEqual(heard, ['path lost'])
  t.false(transport.closed)

  await until(() => heard.length === 3, 'it is lost again, and for good', 20_000)
  t.deepEqual(heard, ['path lost', 'path lost', 'ice_disconnected'])
  t.true(transport.closed)
})

test('who never asks for consent lives by what it sends, and by nothing else', async (t) => {
  await using pool = await openWorkers(1)
  const slot = pool.slots[0]!
  const signOfLife = { by: 'arrival', withinS: 1 } as const
  using end = await WebRtcEnd.open({ slot, router: slot.router, signOfLife, pathWithinMs: PATH_WITHIN_MS })
  const heard: string[] = []
  end.onPathLost(() => heard.push('path lost'))
  end.onLost((reason) => heard.push(reason))
  const { transport } = end
  const port = transport.iceCandidates.find(({ protocol }) => protocol === 'udp')!.port
  const client = await address(t)
  // Before anything has come, nothing is missing.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.deepEqual(heard, [])
  client.send(bindingRequest(transport.iceParameters), port, '127.0.0.1')
  await until(() => transport.iceState === 'completed', 'a path')
  // Not a check any more: as RTP, of which the hub knows nothing yet.
  const sending = setInterval(() => client.send(Buffer.alloc(100, 0x80), port, '127.0.0.1'), 100)
  await new Promise((resolve) => setTimeout(resolve, 3000))
  t.deepEqual(heard, [])
  clearInterval(sending)
  await until(() => heard.length === 1, 'the path is lost')
  t.is(transport.iceState, 'completed')
  client.send(Buffer.alloc(100, 0x80), port, '127.0.0.1')
  await new Promise((resolve) => setTimeout(resolve, PATH_WITHIN_MS / 2))
  client.send(Buffer.alloc(100, 0x80), port, '127.0.0.1')
  await new Promise((resolve) => setTimeout(resolve, PATH_WITHIN_MS / 2 + 200))
  t.deepEqual(heard, ['path lost'], 'it is there again')
  await until(() => heard.length === 3, 'it is over')
  t.deepEqual(heard, ['path lost', 'path lost', 'ice_disconnected'])
})
