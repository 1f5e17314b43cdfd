import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import test from 'ava'
import { startHub, type TestHub } from '../support/hub.ts'
import { startPebble } from '../support/pebble.ts'
import { freeTcpPorts } from '../support/tcp-ports.ts'
import { until } from '../support/until.ts'

// The hub first shows a certificate of its own CA, which only nodes know.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'

const NAME = 'video.example.com'

/** A WebSocket of the viewers' door, which answers the hub's pings. */
async function webSocket(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/protoo`, 'protoo')
  await once(socket, 'open')
  return socket
}

async function issuerOf(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, servername: NAME })
  await once(socket, 'secureConnect')
  const issuer = socket.getPeerX509Certificate()?.issuer ?? ''
  socket.destroy()
  return issuer
}

const days = (hub: TestHub) => hub.metric('lanecast_certificate_expires_days')
const said = (hub: TestHub, words: RegExp) => hub.log.some(({ msg }) => words.test(String(msg)))

for (const way of ['http-01', 'tls-alpn-01'])
  test(`a hub on the internet gets its certificate by ${way}, and WebSockets stay`, async (t) => {
    const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
    await using pebble = await startPebble({ httpPort, tlsPort })
    pebble.pause()
    const dataDir = await mkdtemp(join(tmpdir(), 'lanecast-public-'))
    t.teardown(() => rm(dataDir, { recursive: true, force: true }))
    const args = ['--tls', 'on', '--tls-names', NAME, '--tls-acme-email', 'admin@example.com']
    args.push('--tls-acme-directory', pebble.directory, '--tls-acme-ca-file', pebble.caFile)
    args.push('--tls-acme-http', `127.0.0.1:${httpPort}`, '--tls-acme-challenges', way)
    const options = { workers: 1, dataDir, args, bind: `127.0.0.1:${tlsPort}` }
    {
      await using hub = await startHub([], options)
      t.regex(await issuerOf(tlsPort), /Lanecast/)
      t.true(said(hub, /no certificate of the public CA yet/))
      t.true((await days(hub)) > 25)
      const open = await webSocket(tlsPort)
      pebble.resume()
      await until(() => said(hub, /the public CA issued a certificate/), 'a certificate', 90_000)
      t.regex(await issuerOf(tlsPort), /Pebble Intermediate/)
      t.true((await days(hub)) > 300)
      t.is(open.readyState, WebSocket.OPEN, 'the WebSocket of before')
      const late = await webSocket(tlsPort)
      late.close()
      open.close()
    }
    // A later start shows it at once, and needs no CA.
    await pebble.stop()
    await using again = await startHub([], options)
    t.regex(await issuerOf(tlsPort), /Pebble Intermediate/)
    t.false(said(again, /no certificate/))
  })

test('a port 80 that another program has stops no hub', async (t) => {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  await using pebble = await startPebble({ httpPort, tlsPort })
  await pebble.stop()
  await using other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const dataDir = await mkdtemp(join(tmpdir(), 'lanecast-public-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const taken = (other.address() as AddressInfo).port
  const args = ['--tls', 'on', '--tls-names', NAME, '--tls-acme-email', 'admin@example.com']
  args.push('--tls-acme-directory', pebble.directory, '--tls-acme-ca-file', pebble.caFile)
  args.push('--tls-acme-http', `127.0.0.1:${taken}`)
  await using hub = await startHub([], { workers: 1, dataDir, args, bind: `127.0.0.1:${tlsPort}` })
  t.true(said(hub, /http-01 can't be answered/))
  const alarms = async () => JSON.stringify((await hub.api('GET', '/v1/alarms')).body)
  const failing = async () => (await alarms()).includes('certificate_renewal_failing')
  await until(failing, 'the alarm')
  await pebble.start()
  await until(() => said(hub, /the public CA issued a certificate/), 'a certificate by the other way', 60_000)
  await until(async () => !(await failing()), 'no alarm')
})

test('what can not work is refused before the hub starts', async (t) => {
  const email = ['--tls-acme-email', 'admin@example.com']
  const rows: [string[], RegExp][] = [
    [[...email], /TLS_ACME_EMAIL: needs the hub's own TLS/],
    [[...email, '--tls', 'on'], /TLS_NAMES: needed with TLS_ACME_EMAIL/],
    [[...email, '--tls', 'on', '--tls-names', '203.0.113.7'], /203\.0\.113\.7 can't be in a certificate/],
    [[...email, '--tls', 'on', '--tls-names', '*.example.com'], /\*\.example\.com can't be in a certificate/],
    [[...email, '--tls', 'on', '--tls-names', NAME], /not with AMNESIA/],
    [['--tls-acme-email', 'nobody'], /an e-mail address/],
    [['--tls-acme-directory', 'http://ca.example.com/'], /an https URL/],
    [['--tls-acme-challenges', 'dns-01'], /http-01, tls-alpn-01/],
  ]
  for (const [args, says] of rows) {
    const error = await t.throwsAsync(startHub([], { workers: 1, args }))
    t.regex(error?.message ?? '', says, args.join(' '))
  }
})
