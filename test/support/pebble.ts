import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freeTcpPorts } from './tcp-ports.ts'
import { until } from './until.ts'

export interface PebbleOptions {
  /** Ports at which the CA looks for the names: HTTP-01 and TLS-ALPN-01. */
  readonly httpPort: number
  readonly tlsPort: number
  /** Life of a certificate, seconds. */
  readonly validitySeconds?: number
  readonly env?: Readonly<Record<string, string>>
}

/** An ACME server (RFC 8555) that really validates, on ports of its own, for which all names lead to 127.0.0.1. */
export interface Pebble extends AsyncDisposable {
  readonly directory: string
  /** File with the certificate by which clients know the server. */
  readonly caFile: string
  readonly ca: string
  /** PEM of the root that signs, a new one at each start. */
  root(): Promise<string>
  /** What it said so far. */
  readonly said: () => string
  stop(): Promise<void>
  /** Stops it amid whatever it does, until `resume`. */
  pause(): void
  resume(): void
  /** Starts it again: accounts, orders and keys are forgotten. */
  start(): Promise<void>
}

export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-pebble-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const [cert, key, config] = ['ca.pem', 'ca.key', 'pebble.json'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  execFileSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=pebble', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  )
  const [port, management, dns, dnsManagement] = (await freeTcpPorts(4)) as [number, number, number, number]
  const listen = { listenAddress: `127.0.0.1:${port}`, managementListenAddress: `127.0.0.1:${management}` }
  const { httpPort, tlsPort, validitySeconds } = options
  writeFileSync(
    config,
    JSON.stringify({
      pebble: {
        ...listen,
        certificate: cert,
        privateKey: key,
        httpPort,
        tlsPort,
        ocspResponderURL: '',
        externalAccountBindingRequired: false,
        ...(validitySeconds !== undefined && { certificateValidityPeriod: validitySeconds }),
      },
    }),
  )
  let said = ''
  const run = (program: string, args: readonly string[]) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', ...options.env },
    })
    for (const output of [child.stdout, child.stderr])
      output.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    return child
  }
  // A name server for which every name leads to loopback.
  const names = run('pebble-challtestsrv', [
    ...['-dns01', `127.0.0.1:${dns}`, '-management', `127.0.0.1:${dnsManagement}`],
    ...['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''],
  ])
  stack.defer(() => end(names))
  const ca = readFileSync(cert, 'utf8')
  const start = async () => {
    const child = run('pebble', ['-config', config, '-dnsserver', `127.0.0.1:${dns}`])
    await until(() => {
      if (child.exitCode !== null) throw new Error(`pebble ended, and said: ${said}`)
      return fetchText(`https://127.0.0.1:${port}/dir`, ca).then(Boolean, () => false)
    }, 'pebble answers')
    return child
  }
  let server = await start()
  stack.defer(() => end(server))
  const owned = stack.move()
  return {
    directory: `https://127.0.0.1:${port}/dir`,
    caFile: cert,
    ca,
    root: () => fetchText(`https://127.0.0.1:${management}/roots/0`, ca),
    said: () => said,
    stop: () => end(server),
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async start() {
      server = await start()
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function fetchText(url: string, ca: string): Promise<string> {
  const outgoing = get(url, { ca, agent: false })
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  return text
}
