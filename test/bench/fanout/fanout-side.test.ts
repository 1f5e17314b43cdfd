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
    const side = stack.use(await FanoutSide.open(name, server, 1))
    await side.join(viewers, 2)
    await side.join(viewers, 1, true)
    t.is(side.crypto, 'AEAD_AES_128_GCM')
    // A viewer gets nothing before a keyframe, and one comes every 2 s.
    await side.play(2500, 0)
    const { received, lost, expected, jitterMs } = await side.play(300, 1000)
    // 284 packets a second to each of three.
    t.true(expected > 700 && expected < 1000, `${expected} packets`)
    t.true(Math.abs(received - expected) < 100, `${received} of ${expected} packets`)
    t.is(lost, 0)
    t.true(jitterMs !== null && jitterMs < 100, `${jitterMs} ms`)
    const { usPerPacket } = await side.measure(300, 1000)
    t.true(usPerPacket > 0.1 && usPerPacket < 1000, `${usPerPacket} us`)
  })
}

test('sides that play at the same time are counted apart, though one process plays their viewers', async (t) => {
  await using stack = new AsyncDisposableStack()
  const viewers = stack.use(await FanoutViewers.open())
  const [two, one] = [
    stack.use(await FanoutSide.open('two', openLanecast, 1)),
    stack.use(await FanoutSide.open('one', openLanecast, 1)),
  ]
  await two.join(viewers, 2)
  await one.join(viewers, 1)
  const played = await Promise.all([two.play(2500, 1000), one.play(2500, 1000)])
  const ratio = played[0].received / played[1].received
  t.true(ratio > 1.7 && ratio < 2.3, `${played[0].received} and ${played[1].received}`)
})
