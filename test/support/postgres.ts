import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import pg from 'pg'
import { until } from './until.ts'

/** A PostgreSQL of the test's own. */
export interface PostgresServer extends AsyncDisposable {
  /** Makes an empty database and answers its DATABASE_URL. */
  createDatabase(): Promise<string>
  /** Ends it as a power cut would (`immediate`), and starts it again on the same files. */
  crash(): Promise<void>
  /** Ends it; `start` brings it back on the same files. */
  stop(): Promise<void>
  start(): Promise<void>
}

/**
 * Starts PostgreSQL from the system's own packages, with fsync on as in production: on a socket in a temporary folder,
 * reachable by nobody else. PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
 */
export async function startPostgres(): Promise<PostgresServer> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'lanecast-pg-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const user = ownUser()
  if (user) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const programs = postgresPrograms()
  execFileSync(
    join(programs, 'initdb'),
    ['--pgdata', data, '--username', 'postgres', '--auth', 'trust', '--encoding', 'UTF8', '--no-sync'],
    { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const start = () => {
    const server = spawn(
      join(programs, 'postgres'),
      ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'max_connections=50'],
      { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] },
    )
    // Nothing is left behind when the test ends otherwise than by disposing.
    const onExit = () => server.kill('SIGQUIT')
    process.once('exit', onExit)
    server.once('exit', () => process.removeListener('exit', onExit))
    return server
  }
  let server = start()
  stack.defer(() => stop(server, 'SIGINT'))
  await answering(urlOf(folder, 'postgres'))
  const again = async () => {
    server = start()
    await answering(urlOf(folder, 'postgres'))
  }
  let databases = 0
  const owned = stack.move()
  return {
    async createDatabase() {
      const name = `test_${++databases}`
      await withClient(urlOf(folder, 'postgres'), (client) => client.query(`CREATE DATABASE ${name}`))
      return urlOf(folder, name)
    },
    async crash() {
      await stop(server, 'SIGQUIT')
      await again()
    },
    stop: () => stop(server, 'SIGINT'),
    start: again,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** Runs `use` with a connection of its own to the database at `url`. */
export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  // A server that is stopped meanwhile also fails the query, which is where it is heard.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

function urlOf(folder: string, database: string): string {
  return `postgresql://postgres@localhost/${database}?host=${encodeURIComponent(folder)}`
}

async function answering(url: string): Promise<void> {
  await until(
    () =>
      withClient(url, (client) => client.query('SELECT 1')).then(
        () => true,
        () => false,
      ),
    'PostgreSQL answers',
    30_000,
  )
}

/** SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one (postgresql.org/docs/current/server-shutdown.html). */
async function stop(server: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const gone = once(server, 'exit')
  server.kill(signal)
  await gone
}

/** The folder of the newest installed release's programs, which Debian keeps off the PATH; else that on the PATH. */
export function postgresPrograms(): string {
  const found = globSync('/usr/lib/postgresql/*/bin/initdb').sort((a, b) => releaseOf(b) - releaseOf(a))[0]
  if (found) return join(found, '..')
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .find((folder) => existsSync(join(folder, 'initdb')))
  if (onPath === undefined) throw new Error('PostgreSQL is not installed: run npm run setup')
  return onPath
}

function releaseOf(path: string): number {
  return Number(/postgresql\/(\d+)/.exec(path)?.[1] ?? 0)
}

/** Whom root runs PostgreSQL as; undefined when this process is not root's. */
function ownUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
