import test from 'ava'
import { RepeatFilter } from '../../../sfu/ingress/repeat-filter.ts'
import { openImpairedLink } from '../../support/impaired-link.ts'
import { countOf, listen, sendCounting } from '../../support/rist-bench.ts'
import { until } from '../../support/until.ts'

test('copies of a link that is slower than the buffer are not played again', async (t) => {
  await using receiver = await listen(2)
  const delayed = { forward: { delayMs: 300 }, backward: { delayMs: 5 } }
  await using slow = await openImpairedLink({ targetPort: receiver.ports[1]!, ...delayed })
  await using _sender = await sendCounting([receiver.ports[0]!, slow.port], { bufferMs: 1000 })
  // librist steps back once, a second or two after the slow link came.
  await until(() => receiver.chunks.length > 800, 'four seconds of data')
  const numbers = receiver.chunks.map(countOf)
  t.deepEqual(
    numbers.filter((number, index) => index > 0 && number <= numbers[index - 1]!),
    [],
  )
})

test('new blocks pass, over the wrap of 16 bits, with losses, and with another flow', (t) => {
  const filter = new RepeatFilter()
  for (const [index, sequence] of [65_530, 65_531, 65_535, 0, 1, 40, 30_000].entries())
    t.true(filter.isNew(7, sequence, index), `${sequence}`)
  t.true(filter.isNew(8, 29_999, 7))
  t.true(filter.isNew(8, 30_000, 8))
})

test('what came before does not pass again, also over the wrap', (t) => {
  const filter = new RepeatFilter()
  for (let sequence = 65_500; sequence < 65_600; sequence++) t.true(filter.isNew(7, sequence & 0xffff, 0))
  for (let sequence = 65_500; sequence < 65_600; sequence++) t.false(filter.isNew(7, sequence & 0xffff, 10))
  t.true(filter.isNew(7, 64, 20))
})

test('a numbering that begins again is recognised', (t) => {
  const far = new RepeatFilter()
  t.true(far.isNew(7, 20_000, 0))
  t.true(far.isNew(7, 5000, 10))
  const near = new RepeatFilter()
  t.true(near.isNew(7, 100, 0))
  for (let sequence = 0; sequence < 50; sequence++) t.false(near.isNew(7, sequence, sequence * 10))
  t.true(near.isNew(7, 50, 500))
  t.true(near.isNew(7, 51, 510))
})
