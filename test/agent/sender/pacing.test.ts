import test from 'ava'
import { pathsAtOnce, useOf } from '../../../agent/sender/link-use.ts'
import { MAX_WAIT_MS, Pacer } from '../../../agent/sender/pacer.ts'
import { detourContract } from '../../support/detour-bench.ts'
import { runNamespaced } from '../../support/namespaces.ts'
import { until } from '../../support/until.ts'

test('what a sender puts on the wire keeps to its contract, in a network of its own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('paced-sender.ts'))
  t.pass()
})

for (const [use, carrying, paths] of [
  [
    [
      [0, 0],
      [1, 0],
    ],
    [0, 1],
    1,
  ],
  [
    [
      [0, 100],
      [1, 100],
    ],
    [0, 1],
    2,
  ],
  [
    [
      [0, 100],
      [1, 50],
      [2, 50],
    ],
    [0, 1, 2],
    2,
  ],
  // One path of three carries everything.
  [
    [
      [0, 100],
      [1, 100],
      [2, 100],
    ],
    [1],
    1,
  ],
  // A copy of all packets on the third.
  [
    [
      [0, 100],
      [1, 100],
      [2, 0],
    ],
    [0, 1, 2],
    1,
  ],
  [
    [
      [0, 100],
      [1, 100],
    ],
    [],
    2,
  ],
] satisfies [[number, number][], number[], number][])
  test(`links of ${JSON.stringify(use)}, of which ${carrying.join() || 'none'} carry: ${paths} at once`, (t) => {
    t.is(
      pathsAtOnce(new Map(use), (index) => carrying.includes(index)),
      paths,
    )
  })

const endpoints = ['a', 'b', undefined].map((link, index) => ({
  node_id: 'hub',
  address: '10.50.0.1',
  port: 9500 + index,
  ...(link && { link }),
}))
for (const [allowed, used] of [
  [null, [0, 1, 2]],
  [['b'], [1, 2]],
  [
    ['a', 'b'],
    [0, 1, 2],
  ],
  [['else'], [2]],
] satisfies [string[] | null, number[]][])
  test(`of links a, b and one without a name, ${allowed?.join() ?? 'all'} may be used: ${used}`, (t) => {
    const use = useOf(detourContract([], { endpoints }), allowed)
    t.deepEqual([...use.keys()], used)
  })

test('where no link that may be used has an endpoint, all are used', (t) => {
  const use = useOf(detourContract([], { endpoints: endpoints.slice(0, 2) }), ['else'])
  t.deepEqual([...use.keys()], [0, 1])
})

test('without a limit everything leaves at once, in RIST packets', (t) => {
  const sent: number[] = []
  using pacer = new Pacer({ send: (_ts, start, end) => sent.push(end - start) })
  pacer.write(Buffer.alloc(20 * 188))
  t.deepEqual(sent, [1316, 1316, 1128])
  t.is(pacer.waitingMs, 0)
})

test('what waits is told, and leaves when the limit is lifted', (t) => {
  let sent = 0
  using pacer = new Pacer({
    send: () => {
      sent += 1
    },
  })
  pacer.limit({ kbps: 1000, burstMs: 1 })
  pacer.write(Buffer.alloc(10 * 1316))
  t.is(sent, 1)
  t.true(pacer.waitingMs > 80)
  pacer.limit(null)
  t.is(sent, 10)
})

test('a write that waits for too long gives way to what comes after it', async (t) => {
  const sent: number[] = []
  const late: number[] = []
  using pacer = new Pacer({
    send: (ts) => sent.push(ts[0]!),
    late: (ts) => late.push(ts[0]!),
  })
  pacer.limit({ kbps: 100, burstMs: 1 })
  pacer.write(Buffer.alloc(20 * 1316, 1))
  pacer.write(Buffer.alloc(1316, 2))
  await until(() => late.length === 2, 'both are too late', MAX_WAIT_MS * 3)
  pacer.write(Buffer.alloc(1316, 3))
  await until(() => sent.includes(3), 'what comes later is sent')
  t.deepEqual(late, [1, 2])
  t.is(pacer.dropped, 2)
  t.false(sent.includes(2))
})
