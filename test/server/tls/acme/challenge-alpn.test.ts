import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import test from 'ava'
import { freeTcpPorts } from '../../../support/tcp-ports.ts'
import { until } from '../../../support/until.ts'
import { authRig } from '../../auth/auth-rig.ts'
import { nodeKey } from '../../auth/node-key.ts'
import { acmeHub } from './acme-rig.ts'

interface Shown {
  readonly protocol: string | false | null
  readonly subject: string | undefined
}

/** What a client gets, or the code of its error. */
async function shown(port: number, options: object): Promise<Shown | string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  const [event] = await Promise.race([
    once(socket, 'secureConnect').then(() => [null] as const),
    once(socket, 'error') as Promise<[Error & { code: string }]>,
  ])
  if (event) return event.code
  const { alpnProtocol: protocol } = socket
  const subject = socket.getPeerX509Certificate()?.subject
  socket.destroy()
  return { protocol, subject }
}

test('while a challenge is under way, nobody but the CA sees its certificate', async (t) => {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  await using rig = await authRig()
  const nobody = { directory: `https://127.0.0.1:${httpPort}/`, caFile: '', httpPort, tlsPort }
  await using hub = await acmeHub(rig, nobody)
  // An answer to a challenge: how its certificate was made makes no difference here.
  using _answer = hub.acme.answers.answerTls('a.example.com', selfSigned('challenge'))
  const name = { servername: 'a.example.com' }
  const ours = 'CN=Lanecast hub'
  const rows: readonly [string, object, Shown | string][] = [
    [
      'the CA',
      { ...name, ALPNProtocols: ['acme-tls/1'] },
      { protocol: 'acme-tls/1', subject: 'CN=challenge' },
    ],
    [
      'the CA, in capitals',
      { servername: 'A.Example.com', ALPNProtocols: ['acme-tls/1'] },
      { protocol: 'acme-tls/1', subject: 'CN=challenge' },
    ],
    ['a browser', { ...name, ALPNProtocols: ['h2', 'http/1.1'] }, { protocol: 'http/1.1', subject: ours }],
    ['a client without ALPN', name, { protocol: false, subject: ours }],
    ['a client without a name', { ALPNProtocols: ['http/1.1'] }, { protocol: 'http/1.1', subject: ours }],
    [
      'who asks for both',
      { ...name, ALPNProtocols: ['acme-tls/1', 'http/1.1'] },
      { protocol: 'http/1.1', subject: ours },
    ],
    [
      'a CA at a name without a challenge',
      { servername: 'b.example.com', ALPNProtocols: ['acme-tls/1'] },
      'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    ],
    ['h2 alone', { ...name, ALPNProtocols: ['h2'] }, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
  ]
  for (const version of ['TLSv1.2', 'TLSv1.3'])
    for (const [who, options, wanted] of rows)
      t.deepEqual(
        await shown(tlsPort, { ...options, minVersion: version, maxVersion: version }),
        wanted,
        `${who}, ${version}`,
      )
})

test('a connection for a challenge is closed after its handshake, and reads no HTTP', async (t) => {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  await using rig = await authRig()
  const nobody = { directory: `https://127.0.0.1:${httpPort}/`, caFile: '', httpPort, tlsPort }
  await using hub = await acmeHub(rig, nobody)
  using _answer = hub.acme.answers.answerTls('a.example.com', selfSigned('challenge'))
  let requests = 0
  hub.server.on('request', () => requests++)
  const socket = connect({
    ...{ port: tlsPort, host: '127.0.0.1', servername: 'a.example.com' },
    ...{ ALPNProtocols: ['acme-tls/1'], rejectUnauthorized: false },
  })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n')
  let said = ''
  socket.on('data', (chunk) => {
    said += chunk
  })
  await once(socket, 'close')
  t.is(said, '')
  t.is(requests, 0)
})

test('nodes prove themselves by certificate, and requests under way go on, across a challenge', async (t) => {
  const [httpPort, tlsPort] = (await freeTcpPorts(2)) as [number, number]
  await using rig = await authRig()
  const nobody = { directory: `https://127.0.0.1:${httpPort}/`, caFile: '', httpPort, tlsPort }
  await using hub = await acmeHub(rig, nobody)
  const { token } = await rig.auth.enrolment.issue({ tenant_id: 'acme', roles: ['sender'], by: 'hub' }, 600)
  const { key, csr } = await nodeKey('P-256')
  const enrolled = await rig.auth.enrolment.enrol({ token, csr, role: 'sender', capabilities: [] })
  const client = { key, cert: enrolled.certificate.pem, ca: [...enrolled.authorities] }
  const proved = once(hub.server, 'secureConnection')
  const socket = connect({ port: tlsPort, host: '127.0.0.1', servername: 'a.example.com', ...client })
  await once(socket, 'secureConnect')
  const [served] = await proved
  t.regex(served.getPeerX509Certificate()?.subject ?? '', /CN=/)
  socket.setEncoding('utf8').write('GET /open HTTP/1.1\r\nHost: a.example.com\r\n\r\n')
  let said = ''
  socket.on('data', (text) => {
    said += text
  })
  await until(() => said.includes('first'), 'the answer has begun')
  using _answer = hub.acme.answers.answerTls('a.example.com', selfSigned('challenge'))
  await shown(tlsPort, { servername: 'a.example.com', ALPNProtocols: ['acme-tls/1'] })
  t.false(socket.destroyed)
  socket.destroy()
})

function selfSigned(name: string): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-alpn-'))
  try {
    const [cert, key] = [join(folder, 'cert'), join(folder, 'key')]
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', [...make, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
