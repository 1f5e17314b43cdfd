import test from 'ava'
import {
  changes,
  type Dialled,
  type MainRoute,
  planRoutes,
  wordsOfRoute,
  wordsOfRule,
} from '../../../agent/routes/route-plan.ts'
import { runNamespaced } from '../../support/namespaces.ts'

test('links keep to their interfaces, in networks of their own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('link-routes.ts'))
  t.pass()
})

const main = (device: string, to: string, more: Partial<MainRoute> = {}): MainRoute => ({
  family: 4,
  to,
  device,
  gateway: null,
  source: null,
  metric: 100,
  ...more,
})
const dialled = (link: string, port: number): Dialled => ({ link, family: 4, address: '10.50.0.1', port })
const planned = (...[ends, links, routes]: Parameters<typeof planRoutes>): readonly string[] => {
  const plan = planRoutes(ends, links, routes)
  return [...plan.routes.map(wordsOfRoute), ...plan.rules.map(wordsOfRule)]
}
const RULE = 'pref 7700 to 10.50.0.1 ipproto udp dport 9500 lookup 7701 protocol 78'
const NO_WAY = 'unreachable default table 7701 metric 9999 proto 78'

for (const [what, device, gateway, routes, ways] of [
  [
    'the ways of the interface, its best default of two',
    'usb0',
    '192.168.8.1',
    [
      main('usb0', 'default', { gateway: '192.168.8.1' }),
      main('usb0', 'default', { gateway: '192.168.8.2', metric: 700 }),
      main('usb0', '192.168.8.0/24', { source: '192.168.8.100' }),
      main('eth0', 'default', { gateway: '10.0.0.1' }),
    ],
    [
      'default via 192.168.8.1 dev usb0 onlink table 7701 metric 10 proto 78',
      '192.168.8.0/24 dev usb0 src 192.168.8.100 table 7701 metric 10 proto 78',
    ],
  ],
  [
    'a default without gateway',
    'wwan0',
    null,
    [main('wwan0', 'default')],
    ['default dev wwan0 table 7701 metric 10 proto 78'],
  ],
  [
    'the gateway that the device reports, where the main table has none',
    'usb0',
    '192.168.8.1',
    [],
    ['default via 192.168.8.1 dev usb0 onlink table 7701 metric 10 proto 78'],
  ],
  ['no way while the interface is away', null, null, [main('eth0', 'default', { gateway: '10.0.0.1' })], []],
] satisfies [string, string | null, string | null, MainRoute[], string[]][])
  test(`a link has ${what}`, (t) => {
    const links = new Map([['modem-a', { table: 7701, device, gateway }]])
    const words = planned([dialled('modem-a', 9500)], links, routes)
    t.deepEqual(words.toSorted(), [...ways, NO_WAY, RULE].toSorted())
  })

test('only what differs is changed: ways before rules, and rules before ways that go', (t) => {
  const links = (device: string | null) => new Map([['a', { table: 7701, device, gateway: '192.168.8.1' }]])
  const before = planRoutes([dialled('a', 9500)], links('usb0'), [])
  const after = planRoutes([dialled('a', 9501)], links('usb7'), [])
  t.deepEqual(changes(before, before), [])
  t.deepEqual(changes(before, after), [
    'route replace default via 192.168.8.1 dev usb7 onlink table 7701 metric 10 proto 78',
    'rule del pref 7700 to 10.50.0.1 ipproto udp dport 9500 lookup 7701 protocol 78',
    'rule add pref 7700 to 10.50.0.1 ipproto udp dport 9501 lookup 7701 protocol 78',
  ])
  t.deepEqual(changes(before, planRoutes([dialled('a', 9500)], links(null), [])), [
    'route del default via 192.168.8.1 dev usb0 onlink table 7701 metric 10 proto 78',
  ])
})

test('a sender whose first uplink falls silent is heard by another, in networks of their own', async (t) => {
  t.timeout(300_000)
  t.log(await runNamespaced('first-uplink-lost.ts'))
  t.pass()
})
