import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import type { policyDocumentSchema } from '../../common/wire/policy-document.ts'
import { DEFAULT_TENANT } from '../../common/wire/stream.ts'
import { type Enter, nodeIn } from './namespaces.ts'
import { freeUdpPorts, freeUdpRange } from './udp-ports.ts'
import { until } from './until.ts'

const MAIN = resolve(import.meta.dirname, '../../server/main.ts')

/** Hubs of a file that may be starting at once. A start is all CPU: more of them are no sooner ready, and all late. */
const STARTS_AT_ONCE = 2
const startsInTurn: Promise<unknown>[] = []

export interface TestStream {
  readonly streamId: string
  readonly streamClass?: 'focus' | 'director' | 'record' | 'bulk'
  readonly links?: number
  /** The very ports; free ones by default. */
  readonly ports?: readonly number[]
  /** `passphrase` for senders that have no SRP. */
  readonly authentication?: 'srp' | 'passphrase'
  /** Whether anybody may watch; true by default. */
  readonly public?: boolean
}

export interface TestHubOptions {
  readonly workers?: number
  readonly logLevel?: string
  readonly bind?: string
  /** WebRTC port of the first worker; a free one by default. */
  readonly rtcPort?: number
  /** Folder of the hub's state; without one the hub keeps all state in memory (AMNESIA). */
  readonly dataDir?: string
  /** The admin's token, which an earlier start on the same state told. */
  readonly adminToken?: string
  readonly args?: readonly string[]
  /** More of the configuration's file, such as `[[relays]]`. */
  readonly toml?: string
  /** The program to start instead of `server/main.ts`. */
  readonly main?: string
  /** The network namespace of the hub; this process's own by default. */
  readonly enter?: Enter
  /** Further environment: secrets, which are no arguments. */
  readonly env?: Readonly<Record<string, string>>
}

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: Headers
  /** Parsed where it is JSON, else the text. */
  readonly body: unknown
}

/** A stream of a test hub with everything that a sender needs. */
export interface OpenStream {
  readonly streamId: string
  readonly ports: readonly number[]
  readonly passphrase: string
  readonly username: string
  readonly password: string
}

export interface TestHub extends AsyncDisposable {
  readonly url: string
  readonly metricsUrl: string
  readonly pid: number
  readonly process: ChildProcess
  readonly streams: ReadonlyMap<string, OpenStream>
  /**
   * The token of the hub's own admin; at a later start on the same state the hub can't tell the token again, and this
   * is what the options say, else empty.
   */
  readonly adminToken: string
  /** A request of the REST API, as the admin or with `token`; `null` asks as nobody. */
  api(method: string, path: string, body?: unknown, token?: string | null): Promise<ApiAnswer>
  /** Puts a tenant's policy in force, whatever it was before. */
  putPolicy(document: z.input<typeof policyDocumentSchema>, tenantId?: string): Promise<void>
  /** A token as `POST /v1/tokens` makes it; of the default tenant unless it names another. */
  issueToken(wanted: { role: string; subject?: string; tenant_id?: string; grants?: object }): Promise<string>
  /** Changes the configuration's file and has it read again; answers what the hub's log says of that. */
  reload(edit: (toml: string) => string): Promise<Record<string, unknown>>
  /** Log lines so far, parsed. */
  readonly log: readonly Record<string, unknown>[]
  /** Value of a Prometheus series, e.g. `rejected_total{reason="plaintext"}`; 0 while it does not exist. */
  metric(series: string): Promise<number>
  /** SIGTERM, and how it ended. */
  stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null; ms: number }>
}

/** Starts the real hub as users do, in a process of its own on free ports, with these streams. */
export async function startHub(
  streams: readonly TestStream[],
  options: TestHubOptions = {},
): Promise<TestHub> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-hub-'))
  const config = join(folder, 'hub.toml')
  const opened = new Map<string, OpenStream>()
  const tables: string[] = []
  for (const { streamId, streamClass = 'focus', links = 2, authentication = 'srp', ...access } of streams) {
    const stream: OpenStream = {
      streamId,
      ports: access.ports ?? (await freeUdpPorts(links)),
      passphrase: randomBytes(18).toString('base64url'),
      username: `user-${streamId}`,
      password: randomBytes(18).toString('base64url'),
    }
    opened.set(streamId, stream)
    tables.push(
      [
        '[[streams]]',
        `stream_id = "${streamId}"`,
        `class = "${streamClass}"`,
        `ports = [${stream.ports.join(', ')}]`,
        `passphrase = "${stream.passphrase}"`,
        `public = ${access.public ?? true}`,
        ...(authentication === 'passphrase'
          ? ['authentication = "passphrase"']
          : [`username = "${stream.username}"`, `password = "${stream.password}"`]),
      ].join('\n'),
    )
  }
  await writeFile(config, `${[...tables, options.toml ?? ''].join('\n\n')}\n`, { mode: 0o600 })
  const rtpPorts = 41 + streams.length
  const rtp = await freeUdpRange(rtpPorts)
  const args = [
    '--config',
    config,
    '--bind',
    options.bind ?? '127.0.0.1:0',
    '--rtc-port',
    String(options.rtcPort ?? 0),
  ]
  // A relay process beside each hub would cost every test half a second of CPU.
  args.push('--turn-mode', 'off')
  args.push('--workers', String(options.workers ?? 2), '--log-level', options.logLevel ?? 'info')
  args.push('--rtp-ports', `${rtp}-${rtp + rtpPorts - 1}`, ...(options.args ?? []))
  const { dataDir } = options
  const env = {
    ...process.env,
    // All clients of a test have one address.
    OVERLAY_MAX_CONNS_PER_ADDRESS: '100000',
    ...(dataDir === undefined ? { AMNESIA: 'true' } : { DATA_DIR: dataDir }),
    ...options.env,
  }
  const log: Record<string, unknown>[] = []
  const { child, ready } = await inTurn(async () => {
    const forked = fork(options.main ?? MAIN, args, {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env,
      ...nodeIn(options.enter),
    })
    collectLog(forked, log)
    const first = await Promise.race([
      once(forked, 'message').then(([message]) => hubReady.parse(message)),
      once(forked, 'exit').then(() => {
        throw new Error(`the hub did not start: ${JSON.stringify(log)}`)
      }),
    ])
    return { child: forked, ready: first }
  })
  const stop: TestHub['stop'] = async () => {
    const startedAt = performance.now()
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      await gone
    }
    return { code: child.exitCode, signal: child.signalCode, ms: performance.now() - startedAt }
  }
  const adminToken = ready.admin_token ?? options.adminToken ?? ''
  const api: TestHub['api'] = (method, path, body, token = adminToken) =>
    ask(new URL(path, ready.url), { method, body, token })
  return {
    url: ready.url,
    metricsUrl: ready.metrics_url,
    pid: child.pid!,
    process: child,
    streams: opened,
    adminToken,
    api,
    async putPolicy(document, tenantId = DEFAULT_TENANT) {
      const url = new URL(`/v1/policies/${tenantId}`, ready.url)
      const { headers } = await ask(url, { method: 'GET', token: adminToken })
      const ifMatch = headers.get('etag') ?? ''
      const { status, body } = await ask(url, { method: 'PUT', body: document, token: adminToken, ifMatch })
      if (status !== 200) throw new Error(`the policy was not taken: ${JSON.stringify(body)}`)
    },
    async issueToken(wanted) {
      const defaults = { subject: `test-${wanted.role}`, tenant_id: DEFAULT_TENANT }
      const { body } = await api('POST', '/v1/tokens', { ...defaults, ...wanted })
      return z.object({ token: z.string() }).parse(body).token
    },
    log,
    async reload(edit) {
      await writeFile(config, edit(await readFile(config, 'utf8')))
      const from = log.length
      child.kill('SIGHUP')
      const said = () => log.slice(from).find(({ msg }) => String(msg).startsWith(READ_AGAIN))
      await until(() => said() !== undefined, 'the configuration is read again')
      return said()!
    },
    stop,
    async metric(series) {
      const text = await (await fetch(`${ready.metrics_url}/metrics`)).text()
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
      return line ? Number(line.slice(series.length + 1)) : 0
    },
    async [Symbol.asyncDispose]() {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until the start before the last one is over, then starts. */
async function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const before = startsInTurn.at(-STARTS_AT_ONCE)
  const started = (before ?? Promise.resolve()).then(start, start)
  startsInTurn.push(started.catch(() => {}))
  return await started
}

const READ_AGAIN = 'the configuration was read again'

const hubReady = z.object({
  type: z.literal('ready'),
  url: z.string(),
  metrics_url: z.string(),
  admin_token: z.string().nullable(),
})

interface Asked {
  readonly method: string
  readonly body?: unknown
  readonly token: string | null
  readonly ifMatch?: string
}

async function ask(url: URL, { method, body, token, ifMatch }: Asked): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const json = response.headers.get('content-type')?.startsWith('application/json') === true
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text }
}

function collectLog(child: ChildProcess, log: Record<string, unknown>[]): void {
  let rest = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      try {
        log.push(JSON.parse(line) as Record<string, unknown>)
      } catch {
        log.push({ level: 'raw', msg: line })
      }
    }
    if (process.env['LANECAST_TEST_LOG']) process.stderr.write(text)
  })
}
