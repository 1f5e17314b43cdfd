import test from 'ava'
import { type DirectlyWatched, DirectWays, shareNetwork } from '../../signaling/direct-way.ts'

for (const [one, other, shared] of [
  ['198.51.100.7', '198.51.100.7', true],
  ['192.168.1.20', '192.168.1.30', true],
  ['::ffff:192.168.1.20', '192.168.1.30', true],
  ['192.168.1.20', '192.168.2.20', false],
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff::9', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['2001:db8::1', '192.0.2.1', false],
  ['127.0.0.1', '127.0.0.1', false],
  ['::1', '::1', false],
  ['::ffff:127.0.0.1', '127.0.0.9', false],
  [null, '192.168.1.20', false],
  ['192.168.1.20', null, false],
] as const)
  test(`${one} and ${other} ${shared ? 'are worth' : 'are not worth'} a try`, (t) => {
    t.is(shareNetwork(one, other), shared)
  })

/** A stream whose sender writes down what it is asked. */
function watched(more: { policy?: 'all' | 'relay'; sender?: boolean; address?: string } = {}) {
  const { policy = 'all', sender = true, address = '192.168.1.20' } = more
  const said: string[] = []
  const direct = {
    address,
    offer: async (viewer: string, sdp: string) => {
      said.push(`offer ${sdp}`)
      if (sdp === 'bad') throw new Error('no')
      said.push(viewer)
      return { sdp: 'answer', ahead_ms: 3 }
    },
    leave: (viewer: string) => void said.push(`leave ${viewer}`),
  }
  const stream: DirectlyWatched = {
    contractId: 'c-1',
    stream: { spec: { tenantId: 'tv1' }, direct: sender ? direct : null },
    ice: () => ({ ice_transport_policy: policy }),
  }
  return { stream, said }
}

const waysFrom = (address: string | null, allowed = true) =>
  new DirectWays({ address, allowed: () => allowed })

test('who may not is told why, and the sender hears nothing', async (t) => {
  for (const [ways, more, reason] of [
    [waysFrom('192.168.1.30', false), {}, /policy forbids/],
    [waysFrom('192.168.1.30'), { policy: 'relay' as const }, /relays only/],
    [waysFrom('192.168.1.30'), { sender: false }, /serves no viewer/],
    [waysFrom('10.0.0.1'), {}, /different networks/],
    [waysFrom(null), {}, /different networks/],
  ] as const) {
    const { stream, said } = watched(more)
    t.like(ways.ask(stream), { possible: false })
    t.regex(ways.ask(stream).reason, reason)
    await t.throwsAsync(ways.offer(stream, 'offer'), { code: 'direct_unavailable', message: reason })
    t.deepEqual(said, [])
  }
})

test('a viewer has one way a contract, and its end is told once', async (t) => {
  const ways = waysFrom('192.168.1.30')
  const { stream, said } = watched()
  t.like(ways.ask(stream), { possible: true })
  t.deepEqual(await ways.offer(stream, 'first'), { sdp: 'answer', ahead_ms: 3 })
  await ways.offer(stream, 'second')
  const [, first, left, , second] = said
  t.is(left, `leave ${first}`)
  t.not(first, second)
  ways[Symbol.dispose]()
  ways[Symbol.dispose]()
  ways.leave('c-1')
  t.deepEqual(said.slice(5), [`leave ${second}`])
  await t.throwsAsync(ways.offer(stream, 'bad'))
  ways.leave('c-1')
  t.is(said.length, 7)
})
