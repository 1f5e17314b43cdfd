import { createHmac } from 'node:crypto'
import test from 'ava'
import { readTurnUrl } from '../../../common/net/turn-url.ts'
import { type Relay, RelayBook } from '../../../server/relays/relay-book.ts'
import { turnUrls } from '../../../server/relays/turn-urls.ts'
import { subjectTag } from '../../../turn/credentials.ts'

const relay = (nodeId: string, more: Partial<Relay> = {}, down: string | null = null): Relay => ({
  nodeId,
  urls: [`turn:${nodeId}.example:3478?transport=udp`],
  secret: `secret of ${nodeId}`,
  facts: { nodeId, tenantId: null, region: null, down, load: null, rttMs: 1, loss: 0 },
  ...more,
})

const lease = (nodes: string[], policy: 'all' | 'relay' = 'all') => ({
  tenantId: 't1',
  contractId: 'c-1',
  holder: 'user:alice',
  choice: { ice_transport_policy: policy, nodes },
})

test('credentials are of the relay, the contract and the moment', (t) => {
  let nowMs = 1_800_000_000_999
  const book = new RelayBook(
    () => [relay('a'), relay('b')],
    () => nowMs,
  )
  const { ice_servers, ice_transport_policy } = book.ice(lease(['b', 'a'], 'relay'))
  t.is(ice_transport_policy, 'relay')
  const userOf = (node: string, expiresAtS: number, holder = 'user:alice') =>
    `${expiresAtS}:t1/c-1/${subjectTag(`secret of ${node}`, 't1', holder)}`
  t.deepEqual(
    ice_servers,
    ['b', 'a'].map((node) => {
      const username = userOf(node, 1_800_000_300)
      const credential = createHmac('sha1', `secret of ${node}`).update(username).digest('base64')
      return { urls: [`turn:${node}.example:3478?transport=udp`], username, credential }
    }),
  )
  nowMs += 60_000
  const nameOf = (more: object) => book.ice({ ...lease(['a']), ...more }).ice_servers[0]?.username
  t.is(nameOf({}), userOf('a', 1_800_000_360))
  t.is(nameOf({ lifetimeS: 3600 }), userOf('a', 1_800_003_660))
  t.is(nameOf({ holder: 'user:bob' }), userOf('a', 1_800_000_360, 'user:bob'))
})

test('only relays that are up are listed, two at most', (t) => {
  const book = new RelayBook(() => [
    relay('a'),
    relay('b', {}, 'down'),
    relay('c'),
    relay('d'),
    relay('e', { urls: [] }),
  ])
  const hosts = (nodes: string[]) =>
    book.ice(lease(nodes)).ice_servers.map(({ urls }) => readTurnUrl(urls[0]!).host.split('.')[0])
  t.deepEqual(hosts(['a', 'b', 'c', 'd']), ['a', 'c'])
  t.deepEqual(hosts(['e', 'd', 'gone', 'constructor', '__proto__']), ['d'])
  t.deepEqual(hosts([]), [])
})

test('the end of a contract is told to each relay that can hear it', (t) => {
  const ended: string[] = []
  const book = new RelayBook(() => [relay('a', { ended: (id) => ended.push(id) }), relay('b')])
  book.ended('c-1')
  t.deepEqual(ended, ['c-1'])
})

test('URLs of a relay stand in the order to try, and can be read again', (t) => {
  t.deepEqual(turnUrls('turn.example', { udp: 3478, tcp: 3478, tls: 5349 }), [
    'turn:turn.example:3478?transport=udp',
    'turn:turn.example:3478?transport=tcp',
    'turns:turn.example:5349?transport=tcp',
  ])
  t.deepEqual(turnUrls('2001:db8::1', { udp: null, tcp: 1, tls: null }), [
    'turn:[2001:db8::1]:1?transport=tcp',
  ])
  t.deepEqual(turnUrls('192.0.2.1', { udp: 1, tcp: null, tls: 2 }, 'hub.example'), [
    'turn:192.0.2.1:1?transport=udp',
    'turns:hub.example:2?transport=tcp',
  ])
  const read: [string, ReturnType<typeof readTurnUrl>][] = [
    ['turn:a.example', { host: 'a.example', port: 3478, protocol: 'udp' }],
    ['turn:a.example:1?transport=tcp', { host: 'a.example', port: 1, protocol: 'tcp' }],
    ['turns:[2001:db8::1]', { host: '2001:db8::1', port: 5349, protocol: 'tls' }],
    ['turns:192.0.2.1:443?transport=tcp', { host: '192.0.2.1', port: 443, protocol: 'tls' }],
  ]
  for (const [url, parts] of read) t.deepEqual(readTurnUrl(url), parts, url)
  for (const url of [
    '',
    'turn:',
    'stun:a',
    'turn:a:b',
    'turn:2001:db8::1',
    'http://a',
    'turn:a?transport=sctp',
  ])
    t.throws(() => readTurnUrl(url), { instanceOf: TypeError }, url)
})
