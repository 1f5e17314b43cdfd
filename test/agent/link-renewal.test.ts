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
