import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { askLocalAgent } from '../../agent/cli/local-agent.ts'
import { type AgentStatus, agentStatusSchema } from '../../agent/daemon/agent-status.ts'
import { unpackRelease } from '../../agent/update/unpack.ts'
import { OWN_ARCHITECTURE } from '../../tools/package/architectures.ts'
import { makeTarball } from '../../tools/package/tarball.ts'
import type { EnrolmentArguments } from './field-agent.ts'
import type { Enter } from './namespaces.ts'

const run = promisify(execFile)
const PACKAGE = join(import.meta.dirname, '../../tools/package/main.ts')
/** As the unit does. */
const AGAIN_AFTER_MS = 300
const SAID_CHARACTERS = 4000
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Builds this machine's Debian package into a folder. */
export async function buildDebian(version: string, out: string): Promise<void> {
  const options = ['--fast', '--only', 'deb', '--arch', OWN_ARCHITECTURE ?? 'amd64']
  await run(process.execPath, [PACKAGE, ...options, '--version', version, '--out', out])
}

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

/** The tarball of the same program as another version, and its entry is another. */
export async function withEntry(tarball: Buffer, version: string, entry: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-other-'))
  try {
    await writeFile(join(folder, 'whole'), tarball)
    const program = join(folder, 'lanecast-agent')
    await unpackRelease(join(folder, 'whole'), program, AbortSignal.timeout(60_000))
    await writeFile(join(program, 'agent/main.ts'), entry)
    const file = join(folder, 'other')
    const architecture = OWN_ARCHITECTURE ?? 'amd64'
    await makeTarball({ version, architecture, madeAt: 1_700_000_000 }, { program, file, level: 1 })
    return await readFile(file)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** How programs of an installed agent are started. */
export interface Installation {
  /** Program and first arguments of each call. */
  readonly call: Enter
  /** The same for what the service manager starts. */
  readonly run: Enter
  readonly env: Readonly<Record<string, string>>
  /** The running agent's door. */
  readonly socket: string
  /** Removes it. */
  remove(): Promise<void>
}

/** An installed agent on a state of its own, kept running by its launcher as systemd keeps it. */
export class PackagedAgent implements AsyncDisposable {
  /** How its runs ended. */
  readonly ends: (number | string | null)[] = []
  /** The end of what its runs said on standard error. */
  said = ''
  readonly #installation: Installation
  #child: ChildProcess | null = null
  #stopped = false
  #kept: Promise<void> = Promise.resolve()

  constructor(installation: Installation) {
    this.#installation = installation
  }

  /** @param tarball file of a release */
  static async install(tarball: string): Promise<PackagedAgent> {
    const folder = await mkdtemp(join(tmpdir(), 'lanecast-installed-'))
    for (const name of ['state', 'run', 'cache']) await mkdir(join(folder, name))
    await unpackRelease(tarball, join(folder, 'package'), AbortSignal.timeout(60_000))
    const program = [join(folder, 'package/lanecast-agent')] as const
    return new PackagedAgent({
      call: program,
      run: program,
      env: {
        PATH: SYSTEM_PATH,
        HOME: folder,
        STATE_DIRECTORY: join(folder, 'state'),
        RUNTIME_DIRECTORY: join(folder, 'run'),
        CACHE_DIRECTORY: join(folder, 'cache'),
      },
      socket: join(folder, 'run/agent.sock'),
      remove: () => rm(folder, { recursive: true, force: true }),
    })
  }

  /** Calls the program once. @throws with what it said where it fails */
  async call(...args: string[]): Promise<string> {
    const [program, ...words] = this.#installation.call
    const { stdout } = await run(program, [...words, ...args], { env: this.#installation.env })
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
    return askLocalAgent(this.#installation.socket, 'GET', '/status').then(
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
    await this.#installation.remove()
  }

  async #keep(): Promise<void> {
    const [program, ...words] = this.#installation.run
    while (!this.#stopped) {
      const child = spawn(program, [...words, 'run', '--log-level', 'warn'], {
        env: this.#installation.env,
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
}
