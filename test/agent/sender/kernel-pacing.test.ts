import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import test from 'ava'
import { paceSockets, pacingRateOf } from '../../../agent/sender/kernel-pacing.ts'

/** Rates of all sockets of this process, also those of the test runner's channel. */
const rates = () => readdirSync('/proc/self/fd').flatMap((fd) => pacingRateOf(Number(fd)) ?? [])
const limited = () => rates().filter((rate) => rate !== 0xffff_ffff)

test('the UDP sockets of the process have a rate, and nothing else has', async (t) => {
  const [first, second] = [createSocket('udp4'), createSocket('udp6')]
  const tcp = createServer()
  t.teardown(() => {
    first.close()
    second.close()
    tcp.close()
  })
  first.bind(0, '127.0.0.1')
  second.bind(0, '::1')
  tcp.listen(0, '127.0.0.1')
  await Promise.all([once(first, 'listening'), once(second, 'listening'), once(tcp, 'listening')])
  const all = rates().length
  t.deepEqual(limited(), [])
  t.is(paceSockets(8000), 2)
  t.deepEqual(limited(), [1_000_000, 1_000_000])
  t.true(all >= 3, 'the listener of TCP is left alone')
  t.is(paceSockets(null), 2)
  t.deepEqual(limited(), [])
})
