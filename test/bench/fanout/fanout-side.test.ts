import test from 'ava'
import { openBareMediasoup } from './bare-mediasoup.ts'
import { FanoutSide, type OpenServer } from './fanout-side.ts'
import { FanoutViewers } from './fanout-viewers.ts'
import { janusProgram } from './janus-process.ts'
import { openJanus } from './janus-server.ts'
import { openLanecast } from './lanecast-server.ts'

const SIDES: Record<string, OpenServer> = {
  ours: openLanecast,
  'bare mediasoup': openBareMediasoup,
}

const janus = janusProgram()
// Set-up installs no Janus: it is only compared with.
if (janus !== null) SIDES.janus = openJanus(janus)

for (const [name, server] of Object.entries(SIDES)) {
  test(`${name} sends to all viewers, and a packet has its price`, async (t) => {
    await using stack = new AsyncDisposableStack()
    const viewers = stack.use(await FanoutViewers.open())
    const side = stack.use(await FanoutSide.open(name, server, { viewers, count: 3, renditions: 1 }))
    t.is(side.crypto, 'AEAD_AES_128_GCM')
    // A viewer gets nothing before a keyframe, and one comes every 2 s.
    await side.play(2500)
    const before = await viewers.count(name)
    const { usPerPacket } = await side.measure(300, 1000)
    const after = await viewers.count(name)
    // 284 packets a second to each of three.
    const received = after.received - before.received
    t.true(received > 800 && received < 1600, `${received} packets`)
    t.is(after.lost, before.lost)
    t.true(usPerPacket > 0.1 && usPerPacket < 1000, `${usPerPacket} us`)
  })
}
