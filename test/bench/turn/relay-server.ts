import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ChildWatch } from '../../../common/supervision/child-watch.ts'
import { TurnProcess } from '../../../turn/turn-process.ts'
import { programOnPath } from '../../support/program-on-path.ts'
import { TurnClient } from '../../support/turn-client.ts'
import { SECRET, turnStart } from '../../support/turn-rig.ts'

const READY_WITHIN_MS = 10_000
const END_WITHIN_MS = 2000
/** Outside the system's ephemeral ports and ours. */
const COTURN = { port: 19_478, first: 24_000, last: 24_999 } as const
const OURS = { first: 25_000, last: 25_999 } as const

/** A TURN server on loopback in a process of its own. */
export interface RelayServer extends AsyncDisposable {
  readonly name: string
  readonly pid: number
  readonly port: number
}

/** The embedded server, as the hub runs it. */
export async function openLanecastTurn(): Promise<RelayServer> {
  const watch = new ChildWatch()
  const ready = Promise.withResolvers<number>()
  const { type, ended, ...start } = turnStart()
  const most = {
    allocations_per_user: 10_000,
    allocations_per_subject: 10_000,
    allocations_per_tenant: 10_000,
    allocations_per_address: 10_000,
  }
  const turn = new TurnProcess({
    start: {
      ...start,
      listen: { udp: [{ ip: '127.0.0.1', port: 0 }], tcp: [], tls: [] },
      relay: { ...start.relay, ports: [OURS.first, OURS.last] },
      limits: { ...most, allocations: 10_000, kbps_per_allocation: null, kbps_per_tenant: null },
    },
    watch,
    listener: {
      ready: ({ udp: [bound] }) => ready.resolve(bound!.port),
      state: () => {},
      refused: () => {},
      trouble: (kind, what) => ready.reject(new Error(`${kind}: ${what}`)),
    },
  })
  const port = await ready.promise
  return {
    name: 'lanecast',
    pid: turn.pid!,
    port,
    async [Symbol.asyncDispose]() {
      await turn[Symbol.asyncDispose]()
      watch[Symbol.dispose]()
    },
  }
}

/** coturn with one relay thread, as ours has one. @throws where it is not installed */
export async function openCoturn(): Promise<RelayServer> {
  const program = programOnPath(['turnserver'], 'COTURN_BIN')
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-bench-coturn-'))
  const options = {
    'listening-ip': '127.0.0.1',
    'listening-port': COTURN.port,
    'relay-ip': '127.0.0.1',
    'min-port': COTURN.first,
    'max-port': COTURN.last,
    'relay-threads': 1,
    realm: 'lanecast',
    'static-auth-secret': SECRET,
    'log-file': '/dev/null',
    pidfile: join(folder, 'pid'),
    userdb: join(folder, 'db'),
  }
  const flags = ['use-auth-secret', 'allow-loopback-peers', 'no-cli', 'no-tls', 'no-dtls', 'no-tcp-relay']
  const args = [
    '-n',
    ...flags.map((flag) => `--${flag}`),
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
  ]
  // It must not outlive a bench that is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore', cwd: folder })
  const gone = once(child, 'exit')
  const server: RelayServer = {
    name: 'coturn',
    pid: child.pid!,
    port: COTURN.port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS)
      await gone
      clearTimeout(killer)
      await rm(folder, { recursive: true, force: true })
    },
  }
  const end = performance.now() + READY_WITHIN_MS
  while (performance.now() < end) {
    await using client = await TurnClient.udp({ ip: '127.0.0.1', port: COTURN.port })
    if (await client.challenge(200)) return server
    await delay(50)
  }
  await server[Symbol.asyncDispose]()
  throw new Error(`coturn does not answer within ${READY_WITHIN_MS} ms`)
}
