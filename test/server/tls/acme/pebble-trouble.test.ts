import { X509Certificate } from 'node:crypto'
import test from 'ava'
import { Sealer } from '../../../../server/store/sealing.ts'
import { AcmeRecords } from '../../../../server/tls/acme/acme-record.ts'
import { startPebble } from '../../../support/pebble.ts'
import { freeTcpPorts } from '../../../support/tcp-ports.ts'
import { until } from '../../../support/until.ts'
import { authRig } from '../../auth/auth-rig.ts'
import { acmeHub, quickRules } from './acme-rig.ts'
import { beforePebble, type Spoilt } from './spoiling-ca.ts'

type Hub = Awaited<ReturnType<typeof acmeHub>>

const done = (hub: Hub) => hub.audit.filter(({ outcome }) => outcome === 'done').length
const has = (hub: Hub) =>
  until(() => done(hub) > 0, `a certificate; ${JSON.stringify([hub.alarms, hub.failures])}`, 40_000)

async function ports(): Promise<{ httpPort: number; tlsPort: number }> {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  return { httpPort, tlsPort }
}

/** How many orders pebble took. */
const ordersOf = (said: string) => said.match(/POST \/order-plz/g)?.length ?? 0

test('a CA that is down is asked again, and an alarm says so meanwhile', async (t) => {
  const places = await ports()
  await using pebble = await startPebble(places)
  await pebble.stop()
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places })
  await until(() => hub.failures.length >= 2, 'two failures')
  t.true(hub.failures.every((code) => code === 'acme_unreachable'))
  t.regex(
    hub.alarms[0] ?? '',
    /^no certificate for a\.example\.com, b\.example\.com after a try: .*ECONNREFUSED/,
  )
  await pebble.start()
  await has(hub)
  t.is(hub.alarms.at(-1), null)
})

test('a way that the CA can not see is left for the other way', async (t) => {
  const places = await ports()
  const [elsewhere] = (await freeTcpPorts(1)) as [number]
  // The CA looks for HTTP where nobody is.
  await using pebble = await startPebble({ ...places, httpPort: elsewhere })
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places })
  await has(hub)
  t.deepEqual(hub.failures, ['acme_challenge_failed'])
  t.regex(hub.alarms[0] ?? '', /by http-01: .*must lead to this machine, and its port 80/)
})

test('another server at the name is no proof, and the reason names what to do', async (t) => {
  const places = await ports()
  await using pebble = await startPebble({ httpPort: places.tlsPort, tlsPort: places.httpPort })
  await using rig = await authRig()
  const rules = { ...quickRules, refused: { initialMs: 60_000, maxMs: 60_000, factor: 1 } }
  await using hub = await acmeHub(rig, { ...pebble, ...places, rules, challenges: ['tls-alpn-01'] })
  await until(() => hub.failures.length > 0, 'a failure', 40_000)
  t.deepEqual(hub.failures, ['acme_challenge_failed'])
  t.regex(hub.alarms[0] ?? '', /its port 443 to OVERLAY_BIND/)
  t.is(hub.acme.answers.context('a.example.com'), undefined)
})

test('a restart shows the certificate at once, and orders none', async (t) => {
  const places = await ports()
  await using pebble = await startPebble(places)
  await using rig = await authRig()
  let first: string
  {
    await using hub = await acmeHub(rig, { ...pebble, ...places })
    await has(hub)
    first = hub.tls.current.certificate
  }
  const before = ordersOf(pebble.said())
  await using hub = await acmeHub(rig, { ...pebble, ...places })
  t.is(hub.tls.current.certificate, first)
  t.is(ordersOf(pebble.said()), before)
  // Nothing of the keys is in the database in the open.
  const stored = JSON.stringify(await rig.store.list('acme', null))
  t.false(/PRIVATE KEY/.test(stored))
  t.regex(stored, /sealed:1:/)
})

test('hubs that crash and start again order no more often than one that runs', async (t) => {
  const places = await ports()
  const [elsewhere] = (await freeTcpPorts(1)) as [number]
  // Pebble refuses one nonce in twenty, and the library then asks again: that is no second order.
  const env = { PEBBLE_WFE_NONCEREJECT: '0' }
  await using pebble = await startPebble({ httpPort: elsewhere, tlsPort: elsewhere, env })
  await using rig = await authRig()
  const rules = { ...quickRules, ordersAnHour: 3 }
  for (let start = 1; start <= 6; start++) {
    await using hub = await acmeHub(rig, { ...pebble, ...places, rules })
    if (start <= 3) await until(() => hub.failures.length > 0, `failure ${start}`, 40_000)
    // What failed before is known at once.
    if (start > 1) t.regex(hub.alarms[0] ?? '', /no certificate for/)
  }
  const orders = (await new AcmeRecords(rig.store, new Sealer(rig.keyring), 'hub').read(pebble.directory))
    .orders
  t.is(orders.length, 3)
  t.true(ordersOf(pebble.said()) <= 3)
})

test('a CA that has forgotten the account gets another one, and the certificate is renewed', async (t) => {
  const places = await ports()
  // Two thirds of its life are over after 8 s.
  await using pebble = await startPebble({ ...places, validitySeconds: 12 })
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places, challenges: ['tls-alpn-01'] })
  await has(hub)
  const first = hub.tls.current.certificate
  await pebble.stop()
  await pebble.start()
  await until(() => done(hub) > 1, `a renewal; ${JSON.stringify(hub.alarms)}`, 40_000)
  t.not(hub.tls.current.certificate, first)
  t.deepEqual([...new Set(hub.failures)], ['acme_account_unknown'])
})

test('the CA says when to come again, and the hub waits', async (t) => {
  const places = await ports()
  await using pebble = await startPebble(places)
  await using limited = await beforePebble(pebble, (path) =>
    path.endsWith('/order-plz')
      ? { status: 429, 'retry-after': '3600', type: 'rateLimited', detail: 'too many certificates' }
      : null,
  )
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places, directory: limited.directory })
  await until(() => hub.failures.length > 0, 'a failure')
  t.deepEqual(hub.failures, ['acme_rate_limited'])
  const { retryAt } = await new AcmeRecords(rig.store, new Sealer(rig.keyring), 'hub').read(limited.directory)
  t.true(Math.abs(retryAt! - Date.now() - 3_600_000) < 60_000)
  t.regex(hub.alarms[0] ?? '', /too many certificates \(rateLimited\)/)
})

test('a refusal of the CA is told in its own words', async (t) => {
  const places = await ports()
  await using pebble = await startPebble(places)
  await using refusing = await beforePebble(pebble, (path) =>
    path.endsWith('/order-plz')
      ? { status: 403, type: 'rejectedIdentifier', detail: 'a.example.com is on\na list' }
      : null,
  )
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places, directory: refusing.directory })
  await until(() => hub.failures.length > 0, 'a failure')
  t.is(hub.failures[0], 'acme_refused')
  t.regex(hub.alarms[0] ?? '', /a\.example\.com is on a list \(rejectedIdentifier\)/)
})

test('a clock that is wrong is said, and no certificate is ordered after the other', async (t) => {
  const places = await ports()
  await using pebble = await startPebble({ ...places, validitySeconds: 86_400 })
  await using rig = await authRig()
  const now = () => Date.now() + 400 * 86_400_000
  await using hub = await acmeHub(rig, { ...pebble, ...places, now })
  await until(() => hub.failures.length > 0, 'a failure', 40_000)
  t.regex(hub.alarms.at(-1) ?? '', /the machine's clock is wrong: it says 20.*timedatectl/)
  const { retryAt } = await new AcmeRecords(rig.store, new Sealer(rig.keyring), 'hub').read(pebble.directory)
  t.true(retryAt! - now() > 80_000_000)
  t.is(ordersOf(pebble.said()), 1)
})

test('a hub that stops amid an order stops at once', async (t) => {
  const places = await ports()
  const [elsewhere] = (await freeTcpPorts(1)) as [number]
  await using pebble = await startPebble({
    ...{ httpPort: elsewhere, tlsPort: elsewhere },
    env: { PEBBLE_VA_NOSLEEP: '', PEBBLE_VA_SLEEPTIME: '15' },
  })
  await using rig = await authRig()
  const hub = await acmeHub(rig, { ...pebble, ...places })
  await until(() => ordersOf(pebble.said()) > 0, 'an order')
  const from = performance.now()
  await hub[Symbol.asyncDispose]()
  t.true(performance.now() - from < 2000)
})

const problems = (detail: string): RegExp => new RegExp(detail)
const rubbish: readonly [string, (path: string) => Spoilt, RegExp][] = [
  [
    'a directory that is a page',
    (path) => (path === '/dir' ? { status: 200, body: '<html>' } : null),
    problems('not understood: .*newAccount'),
  ],
  [
    'a directory that leads to plain http',
    (path) =>
      path === '/dir'
        ? {
            status: 200,
            body: JSON.stringify({ newNonce: 'http://127.0.0.1/nonce', newAccount: 'http://127.0.0.1/a' }),
          }
        : null,
    problems('not https'),
  ],
  [
    'an order that is a text',
    (path) => (path === '/order-plz' ? { status: 201, body: 'yes' } : null),
    /not understood/,
  ],
  [
    'an answer without end',
    (path) => (path === '/order-plz' ? { status: 201, body: 'x'.repeat(300 * 1024) } : null),
    problems('more than 262144 bytes'),
  ],
  [
    'an authorization with a token that leads elsewhere',
    (path) =>
      path.startsWith('/authZ')
        ? {
            status: 200,
            body: JSON.stringify({
              status: 'pending',
              identifier: { type: 'dns', value: 'a.example.com' },
              challenges: [
                { type: 'http-01', url: 'https://127.0.0.1/c', status: 'pending', token: '../../etc/passwd' },
              ],
            }),
          }
        : null,
    problems('answer about authorizations is not as RFC 8555'),
  ],
  [
    'no challenge of a kind that the hub knows',
    (path) =>
      path.startsWith('/authZ')
        ? {
            status: 200,
            body: JSON.stringify({
              status: 'pending',
              identifier: { type: 'dns', value: 'a.example.com' },
              challenges: [{ type: 'dns-01', url: 'https://127.0.0.1/c', status: 'pending', token: 'abc' }],
            }),
          }
        : null,
    problems('offers no http-01 for a.example.com, only dns-01'),
  ],
  [
    'a certificate of somebody else',
    (path) => (path.startsWith('/certZ') ? { status: 200, body: 'CA' } : null),
    problems("the certificate that the CA issued can't be used: .*key values mismatch"),
  ],
  [
    'a certificate that is none',
    (path) => (path.startsWith('/certZ') ? { status: 200, body: 'no PEM' } : null),
    /can't be used/,
  ],
]

for (const [what, spoil, says] of rubbish)
  test(`a CA that answers rubbish is refused: ${what}`, async (t) => {
    const places = await ports()
    await using pebble = await startPebble(places)
    await using ca = await beforePebble(pebble, (path) => {
      const spoilt = spoil(path)
      return spoilt !== null && 'body' in spoilt && spoilt.body === 'CA'
        ? { ...spoilt, body: pebble.ca }
        : spoilt
    })
    await using rig = await authRig()
    const rules = { ...quickRules, refused: { initialMs: 60_000, maxMs: 60_000, factor: 1 } }
    await using hub = await acmeHub(rig, { ...pebble, ...places, directory: ca.directory, rules })
    await until(() => hub.failures.length > 0, 'a failure', 40_000)
    t.regex(hub.alarms.at(-1) ?? '', says)
    t.regex(hub.failures[0] ?? '', /^acme_(refused|unreachable|challenge_failed)$/)
    t.regex(hub.alarms.at(-1) ?? '', /the hub shows a certificate of its own CA/)
  })

test('other names get another certificate, and the one before stays until then', async (t) => {
  const places = await ports()
  await using pebble = await startPebble(places)
  await using rig = await authRig()
  await using hub = await acmeHub(rig, { ...pebble, ...places })
  await has(hub)
  const first = hub.tls.current.certificate
  const names = ['c.example.com']
  const change = await hub.tls.prepare({ from: 'acme', bind: '127.0.0.1', names })
  t.true(change.changes)
  t.deepEqual(change.says, { certificate: 'acme', names })
  await change.commit()
  t.is(hub.tls.current.certificate, first)
  await until(() => done(hub) > 1, 'another certificate', 40_000)
  t.is(new X509Certificate(hub.tls.current.certificate).subjectAltName, 'DNS:c.example.com')
  t.false((await hub.tls.prepare({ from: 'acme', bind: '127.0.0.1', names })).changes)
})
