import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { programOnPath } from '../../support/program-on-path.ts'

const READY_WITHIN_MS = 10_000
const END_WITHIN_MS = 2000

/** Plugins and transports of Janus's packages that this bench has no use for: what is not listed is loaded. */
const UNUSED_PLUGINS = [
  ...['audiobridge', 'duktape', 'echotest', 'lua', 'nosip', 'recordplay', 'sip', 'textroom', 'videocall'],
  ...['videoroom', 'voicemail'],
]
const UNUSED_TRANSPORTS = ['http', 'mqtt', 'nanomsg', 'pfunix', 'rabbitmq']

/** Path of Janus; null where it is not installed. `JANUS_BIN` names another. */
export function janusProgram(): string | null {
  try {
    return programOnPath(['janus'], 'JANUS_BIN')
  } catch (error) {
    if (process.env.JANUS_BIN) throw error
    return null
  }
}

/** Janus with one event loop, its streaming plugin and its WebSocket API on loopback. All its files are temporary. */
export class JanusProcess implements AsyncDisposable {
  readonly pid: number
  readonly url: string
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(child: ChildProcess, folder: string, port: number) {
    this.pid = child.pid!
    this.url = `ws://127.0.0.1:${port}`
    this.#child = child
    this.#folder = folder
  }

  /** Resolves when Janus answers. @throws with the end of its log where it does not */
  static async start(program: string): Promise<JanusProcess> {
    await using stack = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-bench-janus-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const port = await freeTcpPort()
    await writeFile(join(folder, 'janus.jcfg'), configuration(ownAddress()))
    await writeFile(join(folder, 'janus.transport.websockets.jcfg'), webSockets(port))
    await writeFile(join(folder, 'janus.plugin.streaming.jcfg'), 'general: {}\n')
    const log = join(folder, 'log')
    const out = stack.use(await open(log, 'w'))
    // It must not outlive a bench that is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, '-F', folder], {
      stdio: ['ignore', out.fd, out.fd],
      cwd: folder,
    })
    const ended = once(child, 'exit').then(() => 'ended')
    if (child.pid === undefined) await ended
    const janus = stack.use(new JanusProcess(child, folder, port))
    const running = () => child.exitCode === null && child.signalCode === null
    const answers = async () => {
      while (running() && !(await accepts(janus.url))) await delay(50)
      return 'answers'
    }
    const state = await Promise.race([ended, answers(), delay(READY_WITHIN_MS, 'is silent', { ref: false })])
    if (state !== 'answers') {
      const said = (await readFile(log, 'utf8')).split('\n').slice(-5).join('\n')
      throw new Error(`Janus ${state}: ${said}`)
    }
    stack.move()
    await out.close()
    return janus
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      const killer = setTimeout(() => this.#child.kill('SIGKILL'), END_WITHIN_MS)
      await gone
      clearTimeout(killer)
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** @param address of its ICE candidates */
function configuration(address: string): string {
  const libraries = (names: readonly string[]) => names.map((name) => `libjanus_${name}.so`).join(',')
  return `
general: { event_loops = 1, session_timeout = 0, debug_level = 3, debug_colors = false }
media: { ipv6 = false }
nat: { ice_lite = true, ice_enforce_list = "${address}" }
plugins: { disable = "${libraries(UNUSED_PLUGINS)}" }
transports: { disable = "${libraries(UNUSED_TRANSPORTS)}" }
loggers: { disable = "${libraries(['jsonlog'])}" }
events: { broadcast = false }
`
}

const webSockets = (port: number) => `
general: { json = "compact", ws = true, ws_ip = "127.0.0.1", ws_port = ${port}, wss = false }
admin: { admin_ws = false, admin_wss = false }
`

/** Janus has no candidates on loopback. What goes to the machine's own address takes the way of loopback all the same. */
function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const own = all.find(({ family, internal }) => family === 'IPv4' && !internal)
  if (!own) throw new Error('Janus wants an IPv4 address besides loopback, and there is none')
  return own.address
}

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function accepts(url: string): Promise<boolean> {
  const socket = new WebSocket(url, 'janus-protocol')
  const state = await new Promise<boolean>((resolve) => {
    socket.addEventListener('open', () => resolve(true))
    socket.addEventListener('error', () => resolve(false))
  })
  socket.close()
  return state
}
