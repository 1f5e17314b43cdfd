import { setTimeout as delay } from 'node:timers/promises'
import test from 'ava'
import { openUdpGate } from '../support/detour-bench.ts'
import { listen, missing, sendCounting } from '../support/rist-bench.ts'
import { until } from '../support/until.ts'

/**
 * A receiver of librist forgets a sender that was away for seven seconds. From two seconds on until then, both ends wait
 * for the other to authenticate, and for ever where packets go on to come from the same port.
 */
test.serial('a link that was away for some seconds comes back, and the other link carries all', async (t) => {
  await using receiver = await listen(2, { buffer: { minMs: 200, maxMs: 200 } })
  using first = await openUdpGate(receiver.ports[0]!, true)
  using second = await openUdpGate(receiver.ports[1]!, true)
  const answers: string[] = []
  await using _sender = await sendCounting([first.port, second.port], {
    mode: 'duplicate',
    bufferMs: 400,
    onAnswers: (link, now) => answers.push(`${link} ${now}`),
  })
  const carried = (link: number) => (receiver.stats.at(-1)?.links[link]?.received ?? 0) > 20
  await until(() => carried(0) && carried(1), 'both links carry')
  first.open = false
  await until(() => answers.includes('0 false'), 'the link answers no more')
  await delay(4000)
  first.open = true
  const from = answers.length
  await until(() => answers.indexOf('0 true', from) >= 0, 'the link answers again')
  await until(() => carried(0) && carried(1), 'both links carry again')
  t.is(missing(receiver.chunks), 0)
  t.is(answers.filter((answer) => answer === '1 false').length, 0)
})

test.serial('links that are renewed again and again under load bond as before', async (t) => {
  await using receiver = await listen(2, { buffer: { minMs: 200, maxMs: 200 } })
  await using counting = await sendCounting(receiver.ports, { mode: 'duplicate', bufferMs: 400 })
  await until(() => receiver.chunks.length > 100, 'packets come')
  for (let round = 0; round < 12; round += 1) {
    await counting.sender.renewLink(0)
    await delay(100)
  }
  const before = receiver.stats.length
  await until(
    () => receiver.stats.slice(before).some(({ links }) => links.every(({ received }) => received > 50)),
    'both links carry',
  )
  t.is(missing(receiver.chunks), 0)
})

test.serial('a flow moves from link to link, with copies meanwhile, and loses nothing', async (t) => {
  await using receiver = await listen(3, { buffer: { minMs: 200, maxMs: 200 } })
  await using counting = await sendCounting(receiver.ports, {
    mode: 'share',
    bufferMs: 400,
    links: receiver.ports.map((port, index) => ({ host: '127.0.0.1', port, isIdle: index === 2 })),
  })
  const { sender } = counting
  await until(() => receiver.chunks.length > 100, 'packets come')
  const carried = (link: number) => receiver.stats.at(-1)?.links[link]?.received ?? 0
  for (let round = 0; round < 5; round += 1) {
    const [from, to] = [round % 3, (round + 2) % 3]
    await sender.setUse(to, 0)
    await sender.openLink(to)
    await until(() => sender.answersOn(to), 'the new link answers')
    await delay(1000)
    await sender.setUse(to, 100)
    await sender.setUse(from, 0)
    await delay(1000)
    await sender.closeLink(from)
    const told = receiver.stats.length
    await until(() => receiver.stats.length > told + 1, 'statistics without the old link')
    t.true(carried(to) > 20, `round ${round}: the new link carries`)
    t.true(carried(from) < 10, `round ${round}: the old link carries nothing`)
  }
  t.is(missing(receiver.chunks), 0)
  t.deepEqual(
    receiver.events.map(({ type }) => type),
    ['connected'],
  )
})

test.serial('copies become shares and copies again', async (t) => {
  await using receiver = await listen(2, { buffer: { minMs: 200, maxMs: 200 } })
  await using counting = await sendCounting(receiver.ports, { mode: 'duplicate', bufferMs: 400 })
  const { sender } = counting
  await until(() => receiver.chunks.length > 100, 'packets come')
  const perSecond = () =>
    (receiver.stats.at(-1)?.links ?? []).reduce((sum, { received }) => sum + received, 0)
  await until(() => perSecond() > 300, 'copies on both links')
  for (const link of [0, 1]) await sender.setUse(link, 100)
  await until(() => perSecond() < 230, 'each packet on one of them')
  for (const link of [0, 1]) await sender.setUse(link, 0)
  await until(() => perSecond() > 300, 'copies again')
  t.is(missing(receiver.chunks), 0)
})
