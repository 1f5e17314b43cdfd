import test from 'ava'
import { PeerRules } from '../../turn/peer-rules.ts'

/** With everything allowed: what is refused all the same. */
const EVERYTHING = {
  own: ['10.1.2.3', 'fd00::5'],
  allow: ['0.0.0.0/0', '::/0'],
  deny: ['8.8.8.0/24', '2606:4700::/32'],
}

for (const [ip, allowed] of [
  ['1.1.1.1', true],
  ['2600::1', true],
  // The operator's list.
  ['8.8.8.8', false],
  ['8.8.9.8', true],
  ['2606:4700::1111', false],
  // The hub's own, and its neighbours.
  ['10.1.2.3', true],
  ['10.1.2.4', false],
  ['fd00::5', true],
  ['fd00::6', false],
  // Loopback, unspecified, link-local, private, shared, multicast, broadcast.
  ['127.0.0.1', false],
  ['127.255.255.254', false],
  ['0.0.0.0', false],
  ['0.1.2.3', false],
  ['169.254.169.254', false],
  ['172.16.0.1', false],
  ['172.31.255.255', false],
  ['172.32.0.1', true],
  ['192.168.1.1', false],
  ['100.64.0.1', false],
  ['224.0.0.1', false],
  ['239.255.255.255', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['fe80::1', false],
  ['fec0::1', false],
  ['fc00::1', false],
  ['ff02::1', false],
  // IPv4 in IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo. Of public addresses, too.
  ['::ffff:127.0.0.1', false],
  ['::ffff:1.1.1.1', false],
  ['::ffff:10.1.2.3', false],
  ['::127.0.0.1', false],
  ['::1.1.1.1', false],
  ['::ffff:0:127.0.0.1', false],
  ['64:ff9b::7f00:1', false],
  ['64:ff9b::1.1.1.1', false],
  ['64:ff9b:1::a00:1', false],
  ['2002:7f00:1::', false],
  ['2002:101:101::1', false],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', false],
] as const)
  test(`where all is allowed, ${ip} is ${allowed ? 'a peer' : 'none'}`, (t) => {
    t.is(new PeerRules(EVERYTHING).allows(ip), allowed)
  })

test('by default there are no peers but the hub', (t) => {
  const rules = new PeerRules({ own: ['192.0.2.7'], allow: [], deny: [] })
  for (const ip of ['1.1.1.1', '192.0.2.8', '2600::1', '127.0.0.1']) t.false(rules.allows(ip), ip)
  t.true(rules.allows('192.0.2.7'))
})

test('a hub that listens everywhere opens no loopback', (t) => {
  const rules = new PeerRules({ own: ['0.0.0.0', '::'], allow: [], deny: [] })
  for (const ip of ['0.0.0.0', '::', '127.0.0.1', '::1']) t.false(rules.allows(ip), ip)
})

test('deny beats what is allowed and what is the hub itself', (t) => {
  const rules = new PeerRules({
    own: ['192.0.2.7'],
    allow: ['1.1.1.0/24'],
    deny: ['192.0.2.0/24', '1.1.1.1'],
  })
  t.false(rules.allows('192.0.2.7'))
  t.false(rules.allows('1.1.1.1'))
  t.true(rules.allows('1.1.1.2'))
})
