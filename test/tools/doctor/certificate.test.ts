import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import test, { type ExecutionContext } from 'ava'
import { certificate } from '../../../tools/doctor/checks/certificate.ts'
import { freeTcpPorts } from '../../support/tcp-ports.ts'
import { type CertificateWish, certificateFiles } from './certificate-files.ts'
import { ask, folder, lines } from './doctor-rig.ts'

async function asked(t: ExecutionContext, wish: CertificateWish): Promise<string> {
  const { certFile, keyFile } = await certificateFiles(await folder(t), wish)
  const args = ['--tls', 'on', '--tls-cert-file', certFile, '--tls-key-file', keyFile]
  return lines(await ask(certificate, [...args, '--tls-names', 'hub.example.com']))
}

const rows: readonly [string, CertificateWish, RegExp][] = [
  ['a good one', {}, /^$/],
  [
    'an expired one',
    { from: -90, until: -2 },
    /^fault .*cert\.pem: it expired on .* -> put a new certificate in/,
  ],
  ['one that expires soon', { until: 5 }, /^warning .*cert\.pem: it expires in 4 days -> /],
  [
    'one of tomorrow',
    { from: 1 },
    /^fault .*cert\.pem: it is not valid before .* -> set the machine's clock/,
  ],
  [
    'one for another name',
    { names: ['other.example.com'] },
    /^fault .*cert\.pem: it is for DNS:other\.example\.com, .*, and not for hub\.example\.com -> /,
  ],
]
for (const [what, wish, says] of rows)
  test(`certificate files: ${what}`, async (t) => t.regex(await asked(t, wish), says))

test("files that don't fit together, and files that are not there", async (t) => {
  const [one, other] = [
    await certificateFiles(await folder(t), {}),
    await certificateFiles(await folder(t), {}),
  ]
  const args = (cert: string, key: string) => ['--tls', 'on', '--tls-cert-file', cert, '--tls-key-file', key]
  const mixed = lines(await ask(certificate, args(one.certFile, other.keyFile)))
  t.regex(mixed, /^fault .*can't be used: .*key values mismatch.* -> let TLS_CERT_FILE/)
  t.regex(lines(await ask(certificate, args('/nowhere/cert.pem', one.keyFile))), /^fault .*ENOENT/)
  await writeFile(one.certFile, 'no PEM')
  t.regex(lines(await ask(certificate, args(one.certFile, one.keyFile))), /^fault .*can't be used/)
})

test("a certificate of the hub's own CA on the internet is no good to browsers", async (t) => {
  t.is(lines(await ask(certificate, [])), '')
  t.is(lines(await ask(certificate, ['--tls', 'on'])), '')
  const said = lines(await ask(certificate, ['--bind', '0.0.0.0:0']))
  t.regex(said, /^warning TLS_ACME_EMAIL .*browsers don't -> set TLS_ACME_EMAIL/)
})

test('what a running hub shows is judged by its chain, its name and its days', async (t) => {
  const [port] = (await freeTcpPorts(1)) as [number]
  const made = await certificateFiles(await folder(t), {})
  const args = ['--bind', `127.0.0.1:${port}`, '--tls', 'on', '--tls-acme-email', 'a@example.com']
  args.push('--tls-names', 'hub.example.com')
  const env = { AMNESIA: 'false', DATA_DIR: await folder(t) }
  t.regex(lines(await ask(certificate, args, { env })), /^unknown TLS_ACME_EMAIL .*the hub does not run/)
  await using server = createServer(made, (_request, response) => response.end('{}')).listen(
    port,
    '127.0.0.1',
  )
  await once(server, 'listening')
  const unknownMaker = lines(await ask(certificate, args, { env }))
  t.regex(
    unknownMaker,
    /^warning hub\.example\.com: browsers don't know who made .*certificate_renewal_failing/,
  )
  t.is(lines(await ask(certificate, [...args, '--tls-acme-ca-file', made.certFile], { env })), '')
  server.setSecureContext(await certificateFiles(await folder(t), { from: -9, until: -2 }))
  t.regex(lines(await ask(certificate, args, { env })), /^fault hub\.example\.com: it expired on/)
  server.setSecureContext(await certificateFiles(await folder(t), { names: ['x.example.com'] }))
  t.regex(
    lines(await ask(certificate, args, { env })),
    /^fault hub\.example\.com: .*not for hub\.example\.com/,
  )
})
