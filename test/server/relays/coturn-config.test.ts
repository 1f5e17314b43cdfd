import test from 'ava'
import { CodedError } from '../../../common/errors.ts'
import { type Config, readConfig } from '../../../server/config/config.ts'
import { coturnConfig } from '../../../server/relays/coturn-config.ts'
import { ipRange, without, writeRange } from '../../../server/relays/ip-ranges.ts'
import { PeerRules } from '../../../turn/peer-rules.ts'

function configOf(...flags: string[]): Config {
  const read = readConfig(flags, {}, {})
  if (read === 'help') throw new Error('no flag asks for help')
  return read.config
}

const linesOf = (config: Config, secret: string | null = 'a secret of sixteen') =>
  coturnConfig(config, { secret })
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

test('coturn gets what the hub is set to', (t) => {
  const lines = linesOf(
    configOf(
      ...['--rtc-ip', '10.1.2.3', '--rtc-announced-address', '203.0.113.7', '--turn-port', '4000'],
      ...['--turn-relay-ports', '5000-5099', '--turn-kbps-per-allocation', '8000'],
      ...['--tls-cert-file', '/etc/c.pem', '--tls-key-file', '/etc/k.pem', '--turn-tls-port', '443'],
    ),
  )
  for (const line of [
    'listening-ip=10.1.2.3',
    'relay-ip=10.1.2.3',
    'external-ip=203.0.113.7/10.1.2.3',
    'listening-port=4000',
    'tls-listening-port=443',
    'cert=/etc/c.pem',
    'pkey=/etc/k.pem',
    'min-port=5000',
    'max-port=5099',
    'use-auth-secret',
    'static-auth-secret=a secret of sixteen',
    'realm=lanecast',
    'user-quota=12',
    'total-quota=100',
    'max-bps=1000000',
    'allowed-peer-ip=203.0.113.7',
    'allowed-peer-ip=10.1.2.3',
    'denied-peer-ip=0.0.0.0-255.255.255.255',
    'denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    'no-multicast-peers',
  ])
    t.true(lines.includes(line), line)
  t.false(lines.includes('no-tls'))
  t.false(lines.includes('allow-loopback-peers'))
})

test('the secret is only where it is asked for', (t) => {
  t.false(coturnConfig(configOf(), { secret: null }).includes('\nstatic-auth-secret'))
})

test('loopback is a peer only where the media is there, and TLS needs a certificate', (t) => {
  const lines = linesOf(configOf())
  t.true(lines.includes('allow-loopback-peers'))
  t.true(lines.includes('no-tls'))
  t.false(linesOf(configOf('--rtc-ip', '10.1.2.3')).includes('allow-loopback-peers'))
})

test('what is denied is cut out of what is allowed', (t) => {
  const peers = (...flags: string[]) =>
    linesOf(configOf('--rtc-ip', '10.0.0.9', ...flags))
      .filter((line) => line.startsWith('allowed-peer-ip='))
      .map((line) => line.slice('allowed-peer-ip='.length))
  t.deepEqual(peers('--turn-allow-peers', '9.9.9.0/24'), ['10.0.0.9', '9.9.9.0-9.9.9.255'])
  t.deepEqual(peers('--turn-allow-peers', '9.9.9.0/24', '--turn-deny-peers', '9.9.9.128/25,10.0.0.0/8'), [
    '9.9.9.0-9.9.9.127',
  ])
})

test('no network that is allowed opens addresses of special use, as with the embedded server', (t) => {
  const allow = ['0.0.0.0/0', '::/0', '192.168.0.0/16', '127.0.0.0/8']
  const lines = linesOf(configOf('--rtc-ip', '10.0.0.9', '--turn-allow-peers', allow.join(',')))
  const ranges = lines.filter((line) => line.startsWith('allowed-peer-ip=')).map((line) => line.slice(16))
  const reached = (ip: string) => {
    const [{ first, family }] = [ipRange(ip)]
    return ranges.some((range) => {
      const [low = '', high = low] = range.split('-')
      return ipRange(low).family === family && ipRange(low).first <= first && first <= ipRange(high).last
    })
  }
  const rules = new PeerRules({ own: ['10.0.0.9'], allow, deny: [] })
  for (const ip of [
    ...[
      '10.0.0.9',
      '10.0.0.8',
      '127.0.0.1',
      '169.254.169.254',
      '192.168.1.1',
      '100.64.0.1',
      '224.0.0.1',
      '9.9.9.9',
    ],
    ...[
      '::1',
      '::ffff:10.0.0.8',
      '64:ff9b::a00:8',
      '2002:a00:8::1',
      'fe80::1',
      'fd00::1',
      'ff02::1',
      '2620:fe::9',
    ],
  ])
    t.is(reached(ip), rules.allows(ip), ip)
  t.false(lines.includes('allow-loopback-peers'))
})

test('ranges of addresses: read, cut and written', (t) => {
  const written = (text: string) => writeRange(ipRange(text))
  const cases: [string, string][] = [
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3/8', '10.0.0.0-10.255.255.255'],
    ['0.0.0.0/0', '0.0.0.0-255.255.255.255'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:db8::/126', '2001:db8:0:0:0:0:0:0-2001:db8:0:0:0:0:0:3'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:ffff:c000:201'],
    ['fe80::1:2:3:4/64', 'fe80:0:0:0:0:0:0:0-fe80:0:0:0:ffff:ffff:ffff:ffff'],
  ]
  for (const [text, range] of cases) t.is(written(text), range)
  for (const text of ['', 'a', '10.0.0', '10.0.0.0.0', ':::'])
    t.throws(() => ipRange(text), { instanceOf: TypeError })
  const cut = (from: string[], less: string[]) =>
    without(from.map(ipRange), less.map(ipRange)).map(writeRange)
  t.deepEqual(cut(['10.0.0.0/30'], ['10.0.0.1']), ['10.0.0.0', '10.0.0.2-10.0.0.3'])
  t.deepEqual(cut(['10.0.0.0/30'], ['10.0.0.0/30']), [])
  t.deepEqual(cut(['10.0.0.0/30'], ['::/0']), ['10.0.0.0-10.0.0.3'])
  t.deepEqual(cut(['::/127'], ['::1']), ['0:0:0:0:0:0:0:0'])
})

test('an address that is found at run time is asked for: coturn must know where it may send', (t) => {
  const found = [
    '--rtc-ip',
    '0.0.0.0',
    '--rist-announced-address',
    '203.0.113.7',
    '--stun-server',
    'stun.example:3478',
  ]
  const { details } = t.throws(() => linesOf(configOf(...found)), { instanceOf: CodedError })
  t.regex(details[0] ?? '', /RTC_ANNOUNCED_ADDRESS/)
  t.true(
    linesOf(configOf(...found, '--rtc-announced-address', '203.0.113.7')).includes(
      'allowed-peer-ip=203.0.113.7',
    ),
  )
})
