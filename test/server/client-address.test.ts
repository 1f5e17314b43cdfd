import type { Socket } from 'node:net'
import test from 'ava'
import { clientAddressBy } from '../../server/client-address.ts'

for (const [proxies, remote, forwarded, address] of [
  [[], '198.51.100.7', '10.0.0.1', '198.51.100.7'],
  [['10.0.0.0/8'], '10.0.0.1', '198.51.100.7', '198.51.100.7'],
  [['10.0.0.0/8'], '10.0.0.1', '192.0.2.9, 198.51.100.7', '198.51.100.7'],
  [['10.0.0.0/8'], '10.0.0.1', '198.51.100.7, 10.0.0.2', '198.51.100.7'],
  [['10.0.0.0/8'], '203.0.113.5', '198.51.100.7', '203.0.113.5'],
  [['10.0.0.0/8'], '10.0.0.1', 'unknown', '10.0.0.1'],
  [['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
  [['2001:db8::/32'], '2001:db8::1', '198.51.100.7', '198.51.100.7'],
  [[], undefined, undefined, null],
] as const)
  test(`${remote} says ${forwarded}, trusted ${proxies.join() || 'none'}: ${address}`, (t) => {
    const socket = { remoteAddress: remote } as unknown as Socket
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
    t.is(clientAddressBy(proxies)({ headers, socket }), address)
  })
