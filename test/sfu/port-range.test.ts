import test from 'ava'
import { PortRange } from '../../sfu/ingress/port-range.ts'

test('ports come lowest first, both ends included, and come back', (t) => {
  const range = new PortRange(9500, 9503, 'rist_ports')
  t.deepEqual(range.take(2), [9500, 9501])
  t.deepEqual(range.take(2), [9502, 9503])
  range.give([9501])
  t.deepEqual(range.take(1), [9501])
})

test('a range that runs out says which setting to widen, and takes nothing', (t) => {
  const range = new PortRange(9500, 9501, 'rist_ports')
  const error = t.throws(() => range.take(3), { code: 'ports_exhausted' })
  t.regex(error.message, /rist_ports 9500-9501/)
  t.deepEqual(range.take(2), [9500, 9501])
  t.throws(() => range.take(1), { code: 'ports_exhausted' })
  t.deepEqual(range.take(0), [])
})

test('ports that other programs have are left out, and asked for anew each time', (t) => {
  const foreign = new Set([9500, 9502])
  const range = new PortRange(9500, 9503, 'rist_ports', (port) => !foreign.has(port))
  t.deepEqual(range.take(2), [9501, 9503])
  const error = t.throws(() => range.take(1), { code: 'ports_exhausted' })
  t.regex(JSON.stringify(error), /other programs have 2 of its ports/)
  foreign.delete(9500)
  t.deepEqual(range.take(1), [9500])
})

test('giving back ports that were not taken, or twice, is harmless', (t) => {
  const range = new PortRange(9500, 9500, 'rtp_ports')
  range.give([9500, 1, 9500])
  t.deepEqual(range.take(1), [9500])
  range.give([9500])
  range.give([9500])
  t.deepEqual(range.take(1), [9500])
})

test('some take ports only as long as enough are left for others', (t) => {
  const range = new PortRange(9500, 9507, 'rtp_ports')
  for (const [count, spare, taken] of [
    [2, 2, [9500, 9501]],
    [4, 2, [9502, 9503, 9504, 9505]],
    [1, 2, null],
    [2, 0, [9506, 9507]],
  ] as const) {
    if (taken) t.deepEqual(range.take(count, spare), [...taken])
    else t.throws(() => range.take(count, spare), { code: 'ports_exhausted' } as never)
  }
  range.give([9500, 9501])
  t.throws(() => range.take(1, 2), { code: 'ports_exhausted' } as never)
  range.give([9502])
  t.deepEqual(range.take(1, 2), [9500])
})
