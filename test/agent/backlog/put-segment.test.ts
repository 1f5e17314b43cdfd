import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import test from 'ava'
import { putSegment } from '../../../agent/backlog/put-segment.ts'
import { HubClock } from '../../../agent/node/hub-clock.ts'

const RANGE = { from: 1000, to: 2000 }
const SMALL = Buffer.alloc(20 * 188, 0x47)
const LARGE = Buffer.alloc(500 * 188, 0x47)

/** Delivers at 1 kb/s, so for seconds, to a hub that does this with the connection once the head is there. */
async function deliverTo(act: (socket: Socket) => void, media: Buffer): Promise<unknown> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', () => act(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const hub = {
    hubUrl: `http://127.0.0.1:${port}`,
    identity: () => ({ authorities: [] }),
    clock: new HubClock(),
  }
  try {
    return await putSegment(hub, 'cam1', RANGE, media, 1, AbortSignal.timeout(10_000))
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

// A rejection that nobody hears would end the agent, and the test.
for (const [size, media] of Object.entries({ small: SMALL, large: LARGE })) {
  test(`a connection that is lost in the middle of a ${size} segment is told at once`, async (t) => {
    const from = performance.now()
    await t.throwsAsync(deliverTo((socket) => socket.resetAndDestroy(), media))
    t.true(performance.now() - from < 2500)
  })

  test(`a refusal in the middle of a ${size} segment is told at once`, async (t) => {
    const from = performance.now()
    const body = '{"error":{"code":"too_fast","message":"later"}}'
    const answer = `HTTP/1.1 429 Too Many Requests\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    t.deepEqual(await deliverTo((socket) => socket.write(answer), media), {
      status: 429,
      code: 'too_fast',
      message: 'later',
    })
    t.true(performance.now() - from < 2500)
  })
}
