import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { programOnPath } from './program-on-path.ts'

const TOOL = resolve(import.meta.dirname, '../../tools/turn-coturn-config.ts')

/** A running coturn, as Debian packages it. */
export interface Coturn extends AsyncDisposable {
  /** Its configuration, made by our tool, and the secret that it shares with the hub. */
  readonly configFile: string
  readonly secretFile: string
  /** SIGKILL, and waits. */
  kill(): Promise<void>
  /** SIGSTOP: it is silent from now on, and its sockets stay. */
  freeze(): void
}

/**
 * Starts coturn with the configuration that our tool makes for a hub with these flags.
 * @param hubSecretFile the hub's, where it is there already
 */
export async function startCoturn(hubFlags: readonly string[], hubSecretFile?: string): Promise<Coturn> {
  const folder = await mkdtemp(join(tmpdir(), 'lanecast-coturn-'))
  const configFile = join(folder, 'turnserver.conf')
  const secretFile = hubSecretFile ?? join(folder, 'secret')
  // The tool knows nothing of the hub's own ports of this test: coturn's may be among the default ones.
  const flags = [
    '--rtp-ports',
    '2000-2999',
    ...hubFlags,
    '--turn-secret-file',
    secretFile,
    '--out',
    configFile,
  ]
  const tool = spawn(process.execPath, [TOOL, ...flags], { stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(tool, 'exit')
  if (code !== 0) throw new Error(`turn:coturn-config ended with ${code}`)
  const turnserver = programOnPath(['turnserver'], 'LANECAST_TURNSERVER')
  const child = spawn(
    turnserver,
    ['-c', configFile, '--pidfile', join(folder, 'pid'), '--db', join(folder, 'db')],
    {
      stdio: process.env['LANECAST_TEST_LOG'] ? ['ignore', 'inherit', 'inherit'] : 'ignore',
    },
  )
  const gone = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await gone
  }
  return {
    configFile,
    secretFile,
    kill,
    freeze: () => void child.kill('SIGSTOP'),
    async [Symbol.asyncDispose]() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
