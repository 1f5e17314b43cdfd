import { createHmac } from 'node:crypto'
import test from 'ava'
import { longTermKey } from '../../common/stun/integrity.ts'
import { ATTRIBUTE, METHOD } from '../../common/stun/stun-types.ts'
import { parseTurnUsername, subjectTag, turnCredential, turnUsername } from '../../turn/credentials.ts'
import { TurnServer } from '../../turn/turn-server.ts'
import { codeOf, TurnClient, type TurnUserOptions, udpTransport } from '../support/turn-client.ts'
import { SECRET, turnStart, turnUser } from '../support/turn-rig.ts'

test('a credential is what coturn expects of use-auth-secret', (t) => {
  const subject = subjectTag('s', 'acme', 'user:alice')
  const username = turnUsername({ expiresAtS: 1_700_000_000.9, tenantId: 'acme', contractId: 'c1', subject })
  t.is(username, `1700000000:acme/c1/${subject}`)
  t.is(turnCredential('s', username), createHmac('sha1', 's').update(username).digest('base64'))
  const user = { expiresAtS: 1_700_000_000, tenantId: 'acme', contractId: 'c1', subject }
  t.deepEqual(parseTurnUsername(username), user)
})

test('a tag tells holders apart, and says nothing of them', (t) => {
  const tags = [
    subjectTag('s', 'acme', 'user:alice'),
    subjectTag('s', 'acme', 'user:bob'),
    subjectTag('s', 'other', 'user:alice'),
    subjectTag('another', 'acme', 'user:alice'),
    subjectTag('s', 'acme', '192.0.2.1'),
    subjectTag('s', 'acme', ''),
  ]
  t.is(new Set(tags).size, tags.length)
  for (const tag of tags) t.regex(tag, /^[\w-]{12}$/)
  t.is(subjectTag('s', 'acme', 'user:alice'), tags[0]!)
})

const TAG = 'abcdefghijk-'
for (const username of [
  ...['', 'constructor', '__proto__', 'toString', '1', '1:', `:acme/c1/${TAG}`, `1:acme/${TAG}`],
  ...['1:acme', '1:acme/c1', '1:acme/c1/', `1:acme//${TAG}`, `1:/c1/${TAG}`, `1:acme/c1/${TAG}/x`],
  ...[`1:acme/c1/${TAG}a`, `1:acme/c1/${TAG.slice(1)}`, `1:acme/c1/${TAG.replace('a', '.')}`],
  ...[`-1:acme/c1/${TAG}`, `1e9:acme/c1/${TAG}`, `1 :acme/c1/${TAG}`, `1:acme/c1/${TAG}\n`],
  ...[`1:__proto__/c1/${TAG}`, `1:acme/__proto__/${TAG}`, `1:a b/c1/${TAG}`, `1:acme\u0000/c1/${TAG}`],
  ...[
    `${'9'.repeat(13)}:acme/c1/${TAG}`,
    `1:${'a'.repeat(65)}/c1/${TAG}`,
    `1:acme/${'c'.repeat(300)}/${TAG}`,
  ],
])
  test(`${JSON.stringify(username.slice(0, 40))} is no user name of ours`, (t) => {
    t.is(parseTurnUsername(username), null)
  })

const someone = (username: string, password: string): TurnUserOptions => ({ username, password })
const good = turnUser()

for (const [name, user, reason] of [
  ['of another secret', turnUser({ secret: 'another' }), 'credentials'],
  ['that is expired', turnUser({ lifeS: -1 }), 'expired'],
  [
    'with the password of another tenant',
    someone(good.username.replace('acme', 'other'), good.password),
    'credentials',
  ],
  [
    'with the password of another subject',
    someone(good.username.slice(0, -1) + (good.username.endsWith('x') ? 'y' : 'x'), good.password),
    'credentials',
  ],
  [
    'with the password of another contract',
    someone(good.username.replace('c1', 'c2'), good.password),
    'credentials',
  ],
  ['with a later time', someone(`9${good.username.slice(1)}`, good.password), 'credentials'],
  ['with no password', someone(good.username, ''), 'credentials'],
  ['of constructor, by the source text of Object', someone('constructor', String(Object)), 'credentials'],
  ['of __proto__', someone('__proto__', String(Object.prototype)), 'credentials'],
  ['of a user that the secret itself would allow', someone('x', turnCredential(SECRET, 'x')), 'credentials'],
  ['of a contract that ended', turnUser({ contract: 'over' }), 'ended'],
] as const)
  test(`a credential ${name} is refused, counted and told`, async (t) => {
    await using server = await TurnServer.open(turnStart({ ended: ['over'] }))
    await using client = await TurnClient.udp(server.bound.udp[0]!, user)
    await t.throwsAsync(client.allocate(), { message: 'allocate: 401' })
    const report = server.report()
    t.deepEqual([report.allocations, report.refused[reason]], [0, 1])
    t.like(server.refusals(), { length: 1, 0: { reason, client: '127.0.0.1', count: 1 } })
    t.deepEqual(server.refusals(), [])
  })

test('a running allocation goes on after the time of its credential, until its contract ends', async (t) => {
  let wallMs = Date.now()
  await using server = await TurnServer.open(turnStart(), {
    nowMs: () => performance.now(),
    wallMs: () => wallMs,
  })
  const to = server.bound.udp[0]!
  await using client = await TurnClient.udp(to, good)
  await client.allocate()
  wallMs += 400_000
  t.is(codeOf(await client.refresh(600)), 0)
  await using late = await TurnClient.udp(to, good)
  await t.throwsAsync(late.allocate(), { message: 'allocate: 401' })
  server.endContract('c1')
  t.is(server.report().allocations, 0)
  t.is(codeOf(await client.refresh(600)), 401)
})

test('a nonce of another address, of another server or of long ago is stale', async (t) => {
  let nowMs = 1000
  await using server = await TurnServer.open(turnStart(), { nowMs: () => nowMs, wallMs: () => Date.now() })
  const to = server.bound.udp[0]!
  await using client = await TurnClient.udp(to, good)
  await client.allocate()
  const first = client.nonce
  for (const nonce of [
    '',
    'x',
    first.slice(1),
    `${first.slice(0, -1)}.`,
    'A'.repeat(12),
    `obMatJos2AAAB${first}`,
  ]) {
    client.nonce = nonce
    const answer = await client.request(METHOD.refresh)
    // An offer of algorithms that nobody made is not repeated by the client, and not ours.
    t.is(codeOf(answer), 438, nonce)
    t.true(answer!.text(ATTRIBUTE.nonce)!.length >= 12)
  }
  client.nonce = first
  nowMs += 601_000
  const stale = await client.request(METHOD.refresh)
  t.is(codeOf(stale), 438)
  client.learn(stale!)
  t.is(codeOf(await client.request(METHOD.refresh)), 437, 'nobody refreshed for so long')
})

test('SHA-256 works for messages and, where it was offered, for the key', async (t) => {
  await using server = await TurnServer.open(turnStart())
  const to = server.bound.tcp[0]!
  await using client = await TurnClient.tcp(to, good)
  client.use('sha256')
  await client.allocate()
  t.is(codeOf(await client.refresh(600)), 0)
  t.is(client.unproved, 0)

  await using chooser = await TurnClient.tcp(to, good)
  const offer = (await chooser.challenge())!
  t.true(chooser.nonce.startsWith('obMatJos2AAAB'))
  const offered = offer.value(ATTRIBUTE.passwordAlgorithms)!
  t.is(offered.toString('hex'), '0002000000010000')
  const choose = (algorithms: Uint8Array, chosen: Uint8Array) =>
    chooser.by(longTermKey('sha256', good.username, chooser.realm, good.password), () =>
      chooser.request(METHOD.allocate, (writer) => {
        udpTransport(writer)
        writer.add(ATTRIBUTE.passwordAlgorithms, algorithms).add(ATTRIBUTE.passwordAlgorithm, chosen)
      }),
    )
  // A bid-down: the offer is changed, or half of it is missing.
  t.is(codeOf(await choose(Buffer.of(0, 1, 0, 0), Buffer.of(0, 1, 0, 0))), 400)
  t.is(codeOf(await choose(offered, Buffer.of(0, 3, 0, 0))), 400)
  t.is(codeOf(await choose(offered, Buffer.of(0, 2, 0, 0))), 0)
})

for (const [name, type] of [
  ['user name', ATTRIBUTE.username],
  ['realm', ATTRIBUTE.realm],
  ['nonce', ATTRIBUTE.nonce],
] as const)
  test(`a proof without a ${name} is a bad request`, async (t) => {
    await using server = await TurnServer.open(turnStart())
    await using client = await TurnClient.udp(server.bound.udp[0]!)
    const answer = await client.request(METHOD.allocate, (writer) => {
      udpTransport(writer)
      for (const each of [ATTRIBUTE.username, ATTRIBUTE.realm, ATTRIBUTE.nonce])
        if (each !== type) writer.text(each, 'something')
      writer.integrity('sha1', Buffer.from('key'))
    })
    t.is(codeOf(answer), 400)
  })
