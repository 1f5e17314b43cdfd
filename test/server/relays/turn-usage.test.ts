import test from 'ava'
import type { TurnFlow } from '../../../common/wire/turn-ipc.ts'
import { TurnUsage } from '../../../server/relays/turn-usage.ts'

const flow = (contract_id: string, port: number, more: Partial<TurnFlow> = {}): TurnFlow => ({
  contract_id,
  tenant_id: 't1',
  protocol: 'udp',
  client: '192.0.2.1:1',
  relayed: `192.0.2.2:${port}`,
  bytes_in: 1,
  bytes_out: 10,
  at: 0,
  ended: false,
  ...more,
})

test('running allocations are summed up by contract', (t) => {
  const usage = new TurnUsage()
  usage.note([flow('a', 1), flow('a', 2, { protocol: 'tls', bytes_out: 100 }), flow('b', 3)])
  t.deepEqual(usage.of(['a']), {
    allocations: 2,
    protocol: 'tls',
    bytes_to_client: 110,
    bytes_from_client: 2,
  })
  t.like(usage.of(['a', 'b']), { allocations: 3 })
  usage.note([flow('a', 1, { bytes_out: 500 })])
  t.like(usage.of(['a']), { protocol: 'udp', bytes_to_client: 600 })
  t.is(usage.of(['nobody', 'constructor', '__proto__']), null)
})

test('ended allocations and contracts are forgotten', (t) => {
  const usage = new TurnUsage()
  usage.note([flow('a', 1), flow('a', 2), flow('b', 3)])
  usage.note([flow('a', 1, { ended: true }), flow('a', 9, { ended: true }), flow('c', 4, { ended: true })])
  t.like(usage.of(['a']), { allocations: 1 })
  usage.forget('a')
  t.is(usage.of(['a']), null)
  usage.clear()
  t.is(usage.of(['b']), null)
})

test('no more allocations are kept in mind than there may be', (t) => {
  const usage = new TurnUsage()
  usage.note(Array.from({ length: 12_000 }, (_, index) => flow(`c-${index}`, index)))
  t.is(usage.of(['c-11999']), null)
  usage.note([flow('c-0', 0, { ended: true }), flow('new', 1)])
  t.like(usage.of(['new']), { allocations: 1 })
})
