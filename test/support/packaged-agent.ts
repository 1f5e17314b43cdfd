import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { askLocalAgent } from '../../agent/cli/local-agent.ts'
import { type AgentStatus, agentStatusSchema } from '../../agent/daemon/agent-status.ts'
import { unpackRelease } from '../../agent/update/unpack.ts'
import { OWN_ARCHITECTURE } from '../../tools/package/architectures.ts'
import type { EnrolmentArguments } from './field-agent.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '../../tools/package/main.ts')
/** As the unit does. */
const AGAIN_AFTER_MS = 300
const SAID_CHARACTERS = 4000

/** Builds the tarball of this machine's package. @returns its bytes */
export async function buildTarball(version: string): Promise<Buffer> {
  const out = await mkdtemp(join(tmpdir(), 'lanecast-built-'))
  try {
    const options = ['--fast', '--only', 'tarball', '--arch', OWN_ARCHITECTURE ?? 'amd64']
    await run(process.execPath, [PACKAGE, ...options, '--version', version, '--out', out])
    return await readFile(join(out, `lanecast-agent_${version}_${OWN_ARCHITECTURE}.tar.zst`))
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

/** An installed agent on a state of its own, kept running by its launcher as systemd keeps it. */
export class PackagedAgent implements AsyncDisposable {
  readonly folder: string
  /** How its runs ended. */
  readonly ends: (number | string | null)[] = []
  /** The end of what its runs said on standard error. */
  said = ''
  #child: ChildProcess | null = null
  #stopped = false
  #kept: Promise<void> = Promise.resolve()

  private constructor(folder: string) {
    this.folder = folder
  }

  /** @param tarball file of a release */
  static async install(tarball: string): Promise<PackagedAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-installed-'))
    const agent = new PackagedAgent(folder)
    for (const name of ['state', 'run', 'cache']) await mkdir(join(folder, name))
    await unpackRelease(tarball, join(folder, 'package'), AbortSignal.timeout(60_000))
    return agent
  }

  /** Calls the program once. @throws with what it said where it fails */
  async call(...args: string[]): Promise<string> {
    const { stdout } = await run(join(this.folder, 'package/lanecast-agent'), args, { env: this.#env })
    return stdout
  }

  enrol({ hubUrl, token }: EnrolmentArguments): Promise<string> {
    return this.call('enrol', hubUrl, token)
  }

  start(): void {
    this.#kept = this.#keep()
  }

  /** null while it does not answer. */
  status(): Promise<AgentStatus | null> {
    const socket = join(this.folder, 'run/agent.sock')
    return askLocalAgent(socket, 'GET', '/status').then(
      (status) => agentStatusSchema.parse(status),
      () => null,
    )
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    this.#child?.kill('SIGTERM')
    await this.#kept
    await rm(this.folder, { recursive: true, force: true })
  }

  async #keep(): Promise<void> {
    while (!this.#stopped) {
      const child = spawn(join(this.folder, 'package/lanecast-agent'), ['run', '--log-level', 'warn'], {
        env: this.#env,
        stdio: ['ignore', 'inherit', 'pipe'],
      })
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.said = (this.said + text).slice(-SAID_CHARACTERS)
      })
      this.#child = child
      const [code, signal] = await once(child, 'exit')
      this.ends.push(code ?? signal)
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS))
    }
  }

  get #env() {
    return {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: this.folder,
      STATE_DIRECTORY: join(this.folder, 'state'),
      RUNTIME_DIRECTORY: join(this.folder, 'run'),
      CACHE_DIRECTORY: join(this.folder, 'cache'),
    }
  }
}
