import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import test from 'ava'
import { startPebble } from '../../../support/pebble.ts'
import { freeTcpPorts } from '../../../support/tcp-ports.ts'
import { until } from '../../../support/until.ts'
import { authRig } from '../../auth/auth-rig.ts'
import { ask } from '../tls-rig.ts'
import { acmeHub } from './acme-rig.ts'

/** The names of a certificate. */
const namesOf = (pem: string) => new X509Certificate(pem).subjectAltName ?? ''

for (const challenge of ['http-01', 'tls-alpn-01'] as const)
  test(`a certificate is had by ${challenge}, and shown without a restart`, async (t) => {
    const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
    await using pebble = await startPebble({ httpPort, tlsPort })
    await using rig = await authRig()
    await using hub = await acmeHub(rig, { ...pebble, httpPort, tlsPort, challenges: [challenge] })
    // Before, the hub shows one of its own CA.
    const own = await ask(tlsPort, { ca: rig.auth.authorities.trusted(), servername: 'a.example.com' })
    t.is(own.status, 200)
    const issued = () => hub.audit.find(({ outcome }) => outcome === 'done')
    await until(issued, `a certificate; ${JSON.stringify(hub.alarms)}`, 40_000)
    const ca = await pebble.root()
    for (const servername of ['a.example.com', 'b.example.com'])
      t.is((await ask(tlsPort, { ca, servername })).status, 200)
    await t.throwsAsync(ask(tlsPort, { ca, servername: 'c.example.com' }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
    t.is(namesOf(hub.tls.current.certificate), 'DNS:a.example.com, DNS:b.example.com')
    t.is(hub.alarms.at(-1), null)
    t.is(hub.acme.answers.keyAuthorization('x'), undefined)
    t.is(hub.acme.answers.context('a.example.com'), undefined, 'no answer outlives its challenge')
    t.false(/ALWAYS_VALID|Skipping/i.test(pebble.said()))
  })

test('port 80 answers challenges, leads on to https for names of its own, and nothing else', async (t) => {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  await using rig = await authRig()
  // No CA is there: nothing is under way.
  const gone = { directory: `https://127.0.0.1:${tlsPort}/gone`, caFile: '' }
  await using hub = await acmeHub(rig, { ...gone, httpPort, tlsPort })
  using _answer = hub.acme.answers.answerHttp('abc-_1', 'abc-_1.thumbprint')
  const get = async (path: string, host: string, method = 'GET') => {
    const outgoing = request({ host: '127.0.0.1', port: httpPort, path, method, headers: { host } })
    outgoing.end()
    const [response] = await once(outgoing, 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return [response.statusCode, response.headers.location ?? text]
  }
  const known = '/.well-known/acme-challenge/abc-_1'
  const rows = [
    [known, 'a.example.com', 200, 'abc-_1.thumbprint'],
    [known, 'whoever.example.com', 200, 'abc-_1.thumbprint'],
    ['/.well-known/acme-challenge/', 'a.example.com', 404, ''],
    ['/.well-known/acme-challenge/__proto__', 'a.example.com', 404, ''],
    ['/.well-known/acme-challenge/../abc-_1', 'a.example.com', 404, ''],
    ['/watch/cam-1?x=1', 'A.example.com:80', 308, `https://a.example.com:${tlsPort}/watch/cam-1?x=1`],
    ['/watch/cam-1', 'evil.example.com', 404, ''],
    ['//evil.example.com/', 'a.example.com', 404, ''],
    ['http://evil.example.com/', 'a.example.com', 404, ''],
  ] as const
  for (const [path, host, status, said] of rows)
    t.deepEqual(await get(path, host), [status, said], `${path} of ${host}`)
  t.deepEqual((await get('/', 'a.example.com', 'POST'))[0], 405)
})
